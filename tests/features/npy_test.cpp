#include "engine/features/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <fstream>
#include <iterator>
#include <random>

#include "engine/base/error.h"
#include "tests/support/files.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using test::read_bytes;
using test::write_bytes;
using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Shape = std::vector<std::size_t>;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// An unpadded header.
std::string header_of(const std::string& dict) {
  return "\x93NUMPY\x01\x00"s + static_cast<char>(dict.size() & 0xffU) +
         static_cast<char>(dict.size() >> 8U) + dict;
}

// Runs `action`, which must throw Error(data) whose sentence holds `words`.
template <typename Action>
void expect_refused(const std::vector<std::string>& words, Action action) {
  try {
    action();
    ADD_FAILURE() << "nothing was refused; expected: " << ::testing::PrintToString(words);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data) << error.what();
    for (const std::string& word : words) EXPECT_THAT(error.what(), HasSubstr(word));
  }
}

TEST(NpyHeader, IsWhatNumPyWrites) {
  const std::string header = npy_header("<f4", Shape{2000, 4, 4, 512});
  EXPECT_EQ(header.substr(0, 10), "\x93NUMPY\x01\x00\x76\x00"s);
  EXPECT_EQ(header.substr(10, 70),
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2000, 4, 4, 512), }");
  EXPECT_EQ(header.size(), 128U);
  EXPECT_EQ(header.back(), '\n');
}

TEST(NpyHeader, LengthIsDivisibleBy64) {
  Shape shape;
  for (std::size_t rank = 0; rank <= 64; ++rank) {
    const std::string header = npy_header("<f4", shape);
    EXPECT_EQ(header.size() % 64, 0U);
    const std::size_t said =
        static_cast<unsigned char>(header[8]) + 256U * static_cast<unsigned char>(header[9]);
    EXPECT_EQ(10 + said, header.size());
    EXPECT_EQ(header.find('\n'), header.size() - 1);
    const NpyHeader parsed = parse_npy_header(bytes_of(header));
    EXPECT_EQ(parsed.shape, shape);
    EXPECT_EQ(parsed.descr, "<f4");
    EXPECT_EQ(parsed.data_offset, header.size());
    shape.push_back(rank % 3 == 0 ? 1 : 1234567 % (rank + 7));
  }
}

TEST(NpyHeader, TupleOfOneHasAComma) {
  EXPECT_THAT(npy_header("<u4", Shape{5}), HasSubstr("'shape': (5,), }"));
  EXPECT_THAT(npy_header("<u4", Shape{}), HasSubstr("'shape': (), }"));
}

TEST(NpyHeader, WriterRefusesWhatCouldNotBeReadBack) {
  EXPECT_THROW(npy_header("<f4", Shape(65, 1)), Error);
}

TEST(NpyHeader, OthersThanNumPysAreRefusedWithASentence) {
  const std::string start = "{'descr': '<f4', 'fortran_order': False, 'shape': ";
  std::string past_end = header_of(start + "(1,), }");
  past_end[8] = static_cast<char>(past_end[8] + 1);
  std::string version_2 = header_of(start + "(1,), }");
  version_2[6] = 2;
  std::string many = "(";
  for (int i = 0; i < 64; ++i) many += "1, ";
  struct Case {
    std::string bytes;
    std::vector<std::string> words;
  };
  const Case cases[] = {
      {"", {"does not begin"}},
      {"\x93NUMPZ\x01\x00\x10\x00{}"s, {"does not begin"}},
      {"\x93NUMPY\x01\x00\x10"s, {"ends within"}},
      {version_2, {"version 1.0"}},
      {past_end, {"only", "follow"}},
      {header_of("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }"),
       {"Fortran order", "ascontiguousarray"}},
  };
  for (const Case& refused : cases) {
    SCOPED_TRACE(refused.bytes);
    expect_refused(refused.words, [&] { parse_npy_header(bytes_of(refused.bytes)); });
  }
  for (const std::string& dict :
       {std::string("  "),
        std::string("{}"),
        std::string("[1, 2]"),
        start,
        start + "(1,)",
        start + "(1,), } x",
        start + "(1,)}",
        start + "(1), }",
        start + "(1 2), }",
        start + "(,), }",
        start + "(-1,), }",
        start + "(1.5, 2), }",
        start + "((1,), 2), }",
        start + "(01,), }",
        start + "[1], }",
        start + "1, }",
        start + "(1, 2,), }",
        start + "(18446744073709551616,), }",
        start + many + "1), }",
        std::string("{'shape': (1,), 'fortran_order': False, 'descr': '<f4', }"),
        std::string("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,), }"),
        std::string("{'descr': '<f4")}) {
    SCOPED_TRACE(dict);
    expect_refused({"not as numpy.save writes it"},
                   [&] { parse_npy_header(bytes_of(header_of(dict))); });
  }
}

TEST(NpyFile, FloatsAreReadBack) {
  const test::TemporaryFolder folder;
  const std::vector<float> values = {1.5F, -0.0F, 1e-42F, 3e38F, 0.0F, 7.0F};
  write_npy(folder / "x.npy", values, Shape{3, 1, 2});
  const NpyFile file(folder / "x.npy");
  EXPECT_THAT(file.header().shape, ElementsAre(3, 1, 2));
  ASSERT_EQ(file.floats().size(), values.size());
  EXPECT_TRUE(std::ranges::equal(std::as_bytes(file.floats()), std::as_bytes(std::span(values))))
      << "the bits, of -0 too";
  EXPECT_EQ(read_bytes(folder / "x.npy"),
            npy_header("<f4", Shape{3, 1, 2}) +
                std::string(reinterpret_cast<const char*>(values.data()), 24));
}

TEST(NpyFile, LabelsAreReadBack) {
  const test::TemporaryFolder folder;
  const std::vector<std::uint32_t> labels = {0, 1, 0xffffffffU, 7};
  write_npy(folder / "y.npy", labels);
  const NpyFile file(folder / "y.npy");
  EXPECT_EQ(file.header().descr, "<u4");
  EXPECT_THAT(file.header().shape, ElementsAre(4));
  EXPECT_THAT(file.labels(), ::testing::ElementsAreArray(labels));
}

TEST(NpyFile, NoRowsAreRead) {
  const test::TemporaryFolder folder;
  write_npy(folder / "x.npy", {}, Shape{0, 4, 4, 512});
  EXPECT_TRUE(NpyFile(folder / "x.npy").floats().empty());
  write_npy(folder / "y.npy", std::span<const std::uint32_t>{});
  EXPECT_TRUE(NpyFile(folder / "y.npy").labels().empty());
}

TEST(NpyFile, TheOtherTypeIsRefused) {
  const test::TemporaryFolder folder;
  const std::vector<std::uint32_t> labels = {1};
  write_npy(folder / "y.npy", labels);
  const NpyFile file(folder / "y.npy");
  expect_refused({"y.npy", "<u4", "not '<f4'"}, [&] { (void)file.floats(); });
  const std::vector<float> floats = {1.0F};
  write_npy(folder / "x.npy", floats, Shape{1});
  const NpyFile other(folder / "x.npy");
  expect_refused({"x.npy", "<f4", "not '<u4'"}, [&] { (void)other.labels(); });
}

TEST(NpyFile, HeaderLengthIsHonoured) {
  const test::TemporaryFolder folder;
  const std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }";
  for (const std::size_t blanks : {1U, 5U, 9U, 121U}) {
    write_bytes(folder / "x.npy", header_of(dict + std::string(blanks, ' ')) + "\x00\x00\x80\x3f"s);
    EXPECT_THAT(NpyFile(folder / "x.npy").floats(), ElementsAre(1.0F));
  }
}

TEST(NpyFile, FilesThatDoNotFitTheirHeaderAreRefusedByName) {
  struct Case {
    std::string bytes;
    std::vector<std::string> words;
  };
  const auto with = [](const std::string& descr, const std::string& shape, std::size_t bytes) {
    std::string dict =
        "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
    dict.resize(118, ' ');
    return header_of(dict) + std::string(bytes, '\0');
  };
  const Case cases[] = {
      {"", {"does not begin"}},
      {with("<f8", "(1,)", 8), {"'<f4'", "astype"}},
      {with(">f4", "(1,)", 4), {"astype"}},
      {with("|u1", "(4,)", 4), {"astype"}},
      {with("<f4", "(2, 3)", 23), {"24 bytes", "23", "truncated"}},
      {with("<f4", "(2, 3)", 25), {"24 bytes", "25", "too long"}},
      {with("<f4", "(2, 3)", 0), {"24 bytes", "truncated"}},
      {with("<f4", "()", 0), {"4 bytes", "truncated"}},
      {with("<f4", "(4294967296, 4294967296)", 0), {"4294967296", "too large"}},
      {with("<f4", "(4611686018427387904,)", 0), {"too large"}},
      {with("<f4", "(1000000, 4, 4, 512)", 4), {"32768000000 bytes", "truncated"}},
      {header_of("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }") + "1234",
       {"no multiple of 4"}},
  };
  const test::TemporaryFolder folder;
  for (const Case& refused : cases) {
    SCOPED_TRACE(refused.bytes);
    write_bytes(folder / "x.npy", refused.bytes);
    std::vector<std::string> words = refused.words;
    words.push_back((folder / "x.npy").string() + ": ");
    expect_refused(words, [&] { NpyFile file(folder / "x.npy"); });
  }
}

TEST(NpyFile, EveryTruncationIsRefused) {
  const test::TemporaryFolder folder;
  const std::vector<float> values(6, 1.0F);
  write_npy(folder / "complete.npy", values, Shape{2, 3});
  const std::string complete = read_bytes(folder / "complete.npy");
  for (std::size_t length = 0; length < complete.size(); ++length) {
    write_bytes(folder / "x.npy", complete.substr(0, length));
    expect_refused({"x.npy"}, [&] { NpyFile file(folder / "x.npy"); });
  }
}

TEST(NpyFile, FlippedBitsAreReadOrRefused) {
  const test::TemporaryFolder folder;
  const std::vector<float> values(6, 1.0F);
  write_npy(folder / "complete.npy", values, Shape{2, 3});
  const std::string complete = read_bytes(folder / "complete.npy");
  std::mt19937 random(5);
  int read = 0;
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = complete;
    const std::size_t at = random() % bytes.size();
    bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ (1U << (random() % 8)));
    write_bytes(folder / "x.npy", bytes);
    try {
      const NpyFile file(folder / "x.npy");
      const std::size_t count =
          file.header().descr == "<f4" ? file.floats().size() : file.labels().size();
      EXPECT_EQ(count, 6U);
      ++read;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data);
      ++refused;
    }
  }
  EXPECT_GT(read, 0);
  EXPECT_GT(refused, 0);
}

TEST(NpyFile, WriterChecksTheShapeAndLeavesNothingBehind) {
  const test::TemporaryFolder folder;
  const std::vector<float> values(6, 1.0F);
  EXPECT_THROW(write_npy(folder / "x.npy", values, Shape{2, 4}), Error);
  EXPECT_THROW(write_npy(folder / "absent" / "x.npy", values, Shape{2, 3}), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace graft
