#include "engine/export/onnx_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "engine/base/error.h"
#include "engine/weights/onnx_graph.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::uint16_t> stored_halves(const std::filesystem::path& path) {
  const OnnxFile file(path);
  const std::span<const std::byte> raw = file.initialisers().at(0).raw_data.value();
  std::vector<std::uint16_t> halves(raw.size() / 2);
  std::memcpy(halves.data(), raw.data(), raw.size());
  return halves;
}

// Values and bits: IEEE 754-2019, binary16.
TEST(OnnxWriter, HalvesAreRoundedToNearestEven) {
  const std::pair<float, std::uint16_t>
      cases[] =
          {
              {0.0F, 0x0000},         {-0.0F, 0x8000},     {1.0F, 0x3C00},
              {-2.0F, 0xC000},        {65504.0F, 0x7BFF},  {65519.996F, 0x7BFF},
              {0x1.004p0F, 0x3C01},    // 1 + 2^-10, the next after 1
              {0x1.002p0F, 0x3C00},    // a tie goes down to the even one,
              {0x1.006p0F, 0x3C02},    // and up to the even one
              {0x1.0021p0F, 0x3C01},   // above a tie
              {0x1p-14F, 0x0400},      // the smallest normal
              {0x1.ff8p-15F, 0x03FF},  // subnormals
              {0x1.ffep-15F, 0x0400}, {-0x1p-24F, 0x8001}, {0x1p-25F, 0x0000},
              {0x1.8p-25F, 0x0001},   {1e-30F, 0x0000},
          };
  std::vector<float> values;
  std::vector<std::uint16_t> expected;
  for (const auto& [value, bits] : cases) {
    values.push_back(value);
    expected.push_back(bits);
  }
  const test::TemporaryFolder folder;
  OnnxWriter graph(true);
  EXPECT_EQ(graph.weights("kernel", {values.size(), 1}, values), "kernel");
  graph.save(folder / "half.onnx", {});
  EXPECT_EQ(stored_halves(folder / "half.onnx"), expected);
  const OnnxFile file(folder / "half.onnx");
  EXPECT_EQ(file.initialisers().at(0).data_type, 10U);
  ASSERT_EQ(file.nodes().size(), 1U);
  EXPECT_EQ(file.nodes()[0].operation, "Cast");
  EXPECT_THAT(file.nodes()[0].inputs, ElementsAre("kernel_fp16"));
  EXPECT_THAT(file.nodes()[0].outputs, ElementsAre("kernel"));
}

TEST(OnnxWriter, AWeightThatFp16CannotHoldIsRefusedAndNoFileIsLeft) {
  const test::TemporaryFolder folder;
  for (const float value : {65520.0F, -1e30F}) {
    OnnxWriter graph(true);
    const float values[] = {1.0F, value};
    graph.weights("dense/kernel", {2, 1}, values);
    try {
      graph.save(folder / "half.onnx", {});
      ADD_FAILURE() << value << " was written";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      EXPECT_THAT(error.what(), HasSubstr("65504"));
      EXPECT_THAT(error.what(), HasSubstr("--half"));
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  }
}

// The shapes alone decide: the kernel has no values.
TEST(OnnxWriter, AFileAboveTwoGigabytesIsRefusedBeforeItIsOpened) {
  const test::TemporaryFolder folder;
  OnnxWriter graph(false);
  graph.weights("dense/kernel", {8192, 65536}, {});
  try {
    graph.save(folder / "large.onnx", {});
    ADD_FAILURE() << "it was written";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(error.what(), HasSubstr("have 2,147,483,7"));  // 2^31 and the rest
    EXPECT_THAT(error.what(), HasSubstr("at most 2,147,483,647"));
    EXPECT_THAT(error.what(), HasSubstr("features.pooling"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace graft
