#include "engine/weights/safetensors.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>

#include "engine/weights/float_values.h"
#include "tests/support/files.h"
#include "tests/support/support.h"
#include "tests/weights/small_vgg16.h"

namespace graft {
namespace {

// Length bytes, header, and as many bytes of data: 0, 1, 2, … 255, 0, …
std::string file_of(const std::string& json, std::size_t data_bytes) {
  const std::uint64_t length = json.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  bytes += json;
  for (std::size_t i = 0; i < data_bytes; ++i) bytes += static_cast<char>(i);
  return bytes;
}

TEST(Safetensors, WhatIsWrittenIsRead) {
  const test::TemporaryFolder folder;
  const std::vector<float> a = {1.5F, -2.0F, 0.0F, -0.0F, 1e-42F, 3e38F};
  const std::vector<float> b = {7.0F};
  const std::vector<TensorView> tensors = {{"z/kernel", {2, 3}, a},
                                           {"scalar", {}, b},
                                           {"empty", {0, 4}, {}},
                                           {"a \"quoted\" é", {1}, b}};
  const Metadata metadata = {{"source", "a file"}, {"note", "line\nbreak \"x\""}};
  write_safetensors(folder / "w.safetensors", tensors, metadata);

  const MappedFile mapped(folder / "w.safetensors");
  const Safetensors file(mapped.path(), mapped.bytes());
  EXPECT_EQ(file.metadata(), metadata);
  ASSERT_EQ(file.entries().size(), tensors.size());
  for (const TensorView& expected : tensors) {
    const SafetensorsEntry* found = file.find(expected.name);
    ASSERT_NE(found, nullptr) << expected.name;
    EXPECT_EQ(found->shape, expected.shape);
    const std::vector<float> values = file.values(*found);
    ASSERT_EQ(values.size(), expected.data.size());
    if (values.empty()) continue;
    EXPECT_EQ(std::memcmp(values.data(), expected.data.data(), expected.data.size_bytes()), 0);
  }
  EXPECT_EQ(file.find("kernel"), nullptr);
}

TEST(Safetensors, HeaderIsPaddedToEightBytesAndTheBytesAreTheSameEachTime) {
  const test::TemporaryFolder folder;
  const std::vector<float> values(10, 1.0F);
  for (std::size_t length = 1; length <= 9; ++length) {
    const std::vector<TensorView> tensors = {{std::string(length, 'n'), {10}, values}};
    write_safetensors(folder / "1", tensors, {{"k", "v"}});
    write_safetensors(folder / "2", tensors, {{"k", "v"}});
    const std::string bytes = test::read_bytes(folder / "1");
    EXPECT_EQ(bytes, test::read_bytes(folder / "2"));
    std::uint64_t header = 0;
    std::memcpy(&header, bytes.data(), 8);
    EXPECT_EQ(header % 8, 0U);
    EXPECT_EQ(bytes.size(), 8 + header + 40);
  }
}

TEST(Safetensors, TensorsStandInTheOrderOfTheirOffsets) {
  const std::string bytes = file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},)"
                                    R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                                    8);
  const Safetensors file("f", as_bytes(bytes));
  ASSERT_EQ(file.entries().size(), 2U);
  EXPECT_EQ(file.entries()[0].name, "b");
  EXPECT_EQ(file.entries()[1].name, "a");
  EXPECT_EQ(std::bit_cast<std::uint32_t>(file.values(file.entries()[0])[0]), 0x03020100U);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(file.values(file.entries()[1])[0]), 0x07060504U);
}

// Older writers do not pad the header, so that the values stand at any byte of the mapped file.
TEST(Safetensors, ValuesAtAnyByteAreRead) {
  for (std::size_t blanks = 0; blanks < 8; ++blanks) {
    const std::string bytes = file_of(
        R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})" + std::string(blanks, ' '), 8);
    const Safetensors file("f", as_bytes(bytes));
    EXPECT_EQ(std::bit_cast<std::uint32_t>(file.values(file.entries()[0])[1]), 0x07060504U);
  }
}

TEST(Safetensors, OnlyTheTensorThatIsReadIsJudgedByItsType) {
  const std::string bytes =
      file_of(R"({"half":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},)"
              R"("step":{"dtype":"I64","shape":[],"data_offsets":[2,10]},)"
              R"("brain":{"dtype":"BF16","shape":[1],"data_offsets":[10,12]}})",
              12);
  const Safetensors file("f", as_bytes(bytes));
  EXPECT_EQ(file.values(*file.find("half"))[0], 0x1p-24F * 0x100);  // subnormal: 0x0100
  EXPECT_EQ(std::bit_cast<std::uint32_t>(file.values(*file.find("brain"))[0]), 0x0b0a0000U);
  test::expect_refused("f", {"\"step\"", "I64", "F32, F16 and BF16", "float32"},
                       [&] { (void)file.values(*file.find("step")); });
}

TEST(Safetensors, FileWithoutTensorsIsRead) {
  const std::string bytes = file_of("{}", 0);
  EXPECT_TRUE(Safetensors("f", as_bytes(bytes)).entries().empty());
}

// Against the definition: sign, 5 bits of exponent, 10 bits of fraction.
TEST(FloatValues, AllHalvesAreExact) {
  std::vector<std::uint16_t> all(65'536);
  std::iota(all.begin(), all.end(), std::uint16_t{0});
  const auto bytes = std::as_bytes(std::span(all));
  const std::vector<float> half = to_float32(FloatType::float16, bytes);
  const std::vector<float> brain = to_float32(FloatType::bfloat16, bytes);
  ASSERT_EQ(half.size(), all.size());
  for (const std::uint16_t bits : all) {
    const int exponent = bits >> 10 & 31;
    const int fraction = bits & 1023;
    const double magnitude = exponent == 31  ? (fraction == 0 ? HUGE_VAL : NAN)
                             : exponent == 0 ? std::ldexp(fraction, -24)
                                             : std::ldexp(1024 + fraction, exponent - 25);
    const double value = bits >> 15 == 0 ? magnitude : -magnitude;
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(half[bits])) << bits;
    } else {
      ASSERT_EQ(half[bits], value) << bits;
      ASSERT_EQ(std::signbit(half[bits]), std::signbit(value)) << bits;
    }
    ASSERT_EQ(std::bit_cast<std::uint32_t>(brain[bits]), std::uint32_t{bits} << 16) << bits;
  }
}

struct Malformed {
  std::string what;
  std::string bytes;
  std::vector<std::string> words;
};

std::string one(const std::string& body) {
  return R"({"t":{)" + body + "}}";
}

// A header with the tensor "t" of float32.
std::string f32(const std::string& shape, const std::string& offsets) {
  return one(R"("dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets);
}

std::vector<Malformed> malformed_files() {
  const std::string good = R"("dtype":"F32","shape":[1],"data_offsets":[0,4])";
  std::string huge_length = file_of("{}", 0);
  huge_length[7] = '\x7f';
  std::string over_limit(8, '\0');
  const std::uint64_t limit_and_one = 100'000'001;
  std::memcpy(over_limit.data(), &limit_and_one, 8);
  std::string past_end = file_of("{}", 0);
  past_end[0] = 3;
  const std::string deep(100'000, '[');
  std::string many_ones;
  for (int i = 0; i < 64; ++i) many_ones += ",1";
  return {
      {"empty file", "", {"too few"}},
      {"seven bytes", "1234567", {"too few"}},
      {"length above the limit", over_limit + "{}", {"100000001", "limit"}},
      {"length with the highest bits set", huge_length, {"limit"}},
      {"length past the end", past_end, {"truncated", "3 bytes"}},
      {"no header", std::string(8, '\0'), {"does not begin with {"}},
      {"header that is an array", file_of("[]", 0), {"does not begin with {"}},
      {"header that begins with a blank", file_of(" {}", 0), {"does not begin with {"}},
      {"broken JSON", file_of(R"({"t":{)", 0), {"this is not JSON"}},
      {"garbage after the JSON", file_of("{}x", 0), {"this is not JSON"}},
      {"invalid UTF-8", file_of("{\"\xff\":{}}", 0), {"this is not JSON"}},
      {"comment", file_of("{/**/}", 0), {"this is not JSON"}},
      {"deep nesting of arrays", file_of("{\"t\":" + deep, 0), {"nested more than 3 deep"}},
      {"deep nesting in a shape",
       file_of(R"({"t":{"shape":)" + deep, 0),
       {"nested more than 3 deep"}},
      {"deep nesting of objects",
       file_of(R"({"t":{"shape":{"a":{)", 0),
       {"nested more than 3 deep"}},
      {"duplicate name",
       file_of("{\"t\":{" + good + "},\"t\":{" + good + "}}", 4),
       {":1: t: duplicate key"}},
      {"duplicate key", file_of(one(good + ",\"dtype\":\"F32\""), 4), {"t.dtype: duplicate key"}},
      {"duplicate metadata",
       file_of(R"({"__metadata__":{"a":"1","a":"2"}})", 0),
       {"__metadata__.a: duplicate key"}},
      {"metadata twice",
       file_of(R"({"__metadata__":{},"__metadata__":{}})", 0),
       {"__metadata__: duplicate key"}},
      {"metadata of numbers",
       file_of(R"({"__metadata__":{"a":1}})", 0),
       {"metadata", "\"a\": expected a string, found 1"}},
      {"metadata that is a string",
       file_of(R"({"__metadata__":"a"})", 0),
       {"an object of strings, found \"a\""}},
      {"tensor that is null", file_of(R"({"t":null})", 0), {"\"t\"", "an object", "null"}},
      {"unknown key", file_of(one(good + ",\"colour\":1"), 4), {"colour"}},
      {"no dtype", file_of(one(R"("shape":[1],"data_offsets":[0,4])"), 4), {"is missing"}},
      {"no shape", file_of(one(R"("dtype":"F32","data_offsets":[0,4])"), 4), {"is missing"}},
      {"no offsets", file_of(one(R"("dtype":"F32","shape":[1])"), 4), {"is missing"}},
      {"dtype that is a number",
       file_of(one(R"("dtype":32)"), 4),
       {"\"dtype\": expected a string, found 32"}},
      {"dtype not known",
       file_of(one(R"("dtype":"F31","shape":[1],"data_offsets":[0,4])"), 4),
       {"F31"}},
      {"negative dimension",
       file_of(f32("[-1]", "[0,4]"), 4),
       {"\"shape\": expected an integer of at least 0, found -1"}},
      {"fractional dimension",
       file_of(f32("[1.0]", "[0,4]"), 4),
       {"\"shape\": expected an integer of at least 0"}},
      {"dimension above 64 bits",
       file_of(f32("[18446744073709551616]", "[0,4]"), 4),
       {"\"shape\": expected an integer of at least 0"}},
      {"product above 64 bits",
       file_of(f32("[4294967296,4294967296]", "[0,0]"), 0),
       {"4294967296", "too large"}},
      {"bytes above 64 bits", file_of(f32("[4611686018427387905]", "[0,4]"), 4), {"too large"}},
      {"too many dimensions", file_of(f32("[1" + many_ones + "]", "[0,4]"), 4), {"64 dimensions"}},
      {"one offset", file_of(f32("[1]", "[0]"), 4), {"expected two numbers"}},
      {"three offsets", file_of(f32("[1]", "[0,4,8]"), 4), {"expected two numbers"}},
      {"offsets the wrong way", file_of(f32("[1]", "[4,0]"), 4), {"before it begins"}},
      {"shape and offsets at odds", file_of(f32("[3]", "[0,8]"), 8), {"needs 12 bytes", "span 8"}},
      {"hole at the start", file_of(f32("[1]", "[4,8]"), 8), {"hole of 4 bytes"}},
      {"overlap",
       file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
               R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
               12),
       {"\"b\"", "overlaps"}},
      {"data cut short", file_of(f32("[2]", "[0,8]"), 7), {"truncated"}},
      {"data too long", file_of(one(good), 9), {"5 bytes", "belong to none"}},
  };
}

TEST(Safetensors, MalformedFilesAreRefusedWithASentence) {
  for (const Malformed& malformed : malformed_files()) {
    SCOPED_TRACE(malformed.what);
    test::expect_refused("f", malformed.words,
                         [&] { Safetensors("f", as_bytes(malformed.bytes)); });
  }
}

TEST(Safetensors, HeadersOfTheLargestSizeTakeLittleMemory) {
  const auto filled = [](std::string json, const std::function<std::string(std::size_t)>& next,
                         std::size_t most = safetensors_header_limit) {
    for (std::size_t i = 0; i < most; ++i) {
      const std::string more = next(i);
      if (json.size() + more.size() > safetensors_header_limit) break;
      json += more;
    }
    return json;
  };
  const auto numbered = [](std::size_t i, const std::string& value) {
    return ",\"" + std::to_string(i) + "\":" + value;
  };
  const std::string ones = filled(
                               "[1", [](std::size_t) { return ",1"; }, 9'000) +
                           "]";
  const std::string text = '"' + std::string(1'600, 'x') + '"';
  const std::pair<std::string, const char*> cases[] = {
      {filled(R"({"__metadata__":{"":"")", [&](auto i) { return numbered(i, "\"\""); }),
       "more than 200000 values"},
      {filled(R"({"":{})", [&](auto i) { return numbered(i, "{}"); }), "more than 200000 values"},
      {filled(R"({"":[[])", [](auto) { return ",[]"; }), "more than 200000 values"},
      {filled(R"({"t":{"":0)", [&](auto i) { return numbered(i, ones); }),
       "more than 200000 values"},
      {filled(R"({"t":{"":0)", [&](auto i) { return numbered(i, ones); }, 20), "not JSON"},
      {filled(R"({"t":[0)", [](auto) { return ",1"; }, 20'000), "more than 10000 entries"},
      {filled(R"({"":{})", [&](auto i) { return numbered(i, R"({"a":0,"b":1})"); }, 9'999),
       "not JSON"},
      {filled(R"({"__metadata__":{"":"")", [&](auto i) { return numbered(i, text); }, 9'999),
       "not JSON"},
      {R"({"__metadata__":{"history":")" + std::string(safetensors_header_limit - 100, 'x'),
       "not JSON"},
      {std::string(safetensors_header_limit + 1, ' '), "above the limit"}};
  for (const auto& [json, words] : cases) {
    const std::string bytes = file_of(json, 0);
    EXPECT_EQ(test::in_little_memory(std::size_t{192} << 20U, words,
                                     [&] { Safetensors("f", as_bytes(bytes)); }),
              "");
  }
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const test::TemporaryFolder folder;
  const std::vector<float> values(5, 1.0F);
  write_safetensors(folder / "whole", std::vector<TensorView>{{"t", {5}, values}}, {{"k", "v"}});
  const std::string whole = test::read_bytes(folder / "whole");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    SCOPED_TRACE(length);
    const std::string part = whole.substr(0, length);
    test::expect_refused("f", {}, [&] { Safetensors("f", as_bytes(part)); });
  }
}

TEST(Safetensors, FlippedBitsAreReadOrRefused) {
  const test::TemporaryFolder folder;
  const std::vector<float> values(6, 1.0F);
  write_safetensors(folder / "whole",
                    std::vector<TensorView>{{"a", {2, 3}, values}, {"b", {6}, values}},
                    {{"source", "somewhere"}});
  const std::string whole = test::read_bytes(folder / "whole");
  float sum = 0;  // every value can be read
  test::expect_read_or_refused(whole, [&](const std::string& bytes) {
    const Safetensors file("f", as_bytes(bytes));
    for (const SafetensorsEntry& entry : file.entries()) {
      const std::vector<float> read = file.values(entry);
      sum = std::accumulate(read.begin(), read.end(), sum);
    }
  });
  EXPECT_NE(sum, 0.0F);
}

ErrorKind kind_of_refusal(const std::filesystem::path& path, std::span<const TensorView> tensors) {
  try {
    write_safetensors(path, tensors, {});
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind{};
}

TEST(Safetensors, WriterRefusesWhatCouldNotBeReadBack) {
  const test::TemporaryFolder folder;
  const std::vector<float> values(4, 0.0F);
  const auto path = folder / "w";
  EXPECT_EQ(kind_of_refusal(path, std::vector<TensorView>{{"t", {4}, values}, {"t", {4}, values}}),
            ErrorKind::usage);
  EXPECT_EQ(kind_of_refusal(path, std::vector<TensorView>{{"t", {5}, values}}), ErrorKind::usage);
  EXPECT_EQ(kind_of_refusal(path, std::vector<TensorView>{{"__metadata__", {4}, values}}),
            ErrorKind::usage);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Safetensors, FailedWriteLeavesTheOldFileAndNothingElse) {
  const test::TemporaryFolder folder;
  const std::vector<float> values(4, 0.0F);
  const std::vector<TensorView> tensors = {{"t", {4}, values}};
  EXPECT_EQ(kind_of_refusal(folder / "absent" / "w", tensors), ErrorKind::io);
  std::filesystem::create_directory(folder / "taken");  // a folder cannot be replaced by a file
  EXPECT_EQ(kind_of_refusal(folder / "taken", tensors), ErrorKind::io);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(Safetensors, MetadataThatIsNoUtf8IsWrittenReadable) {
  const test::TemporaryFolder folder;
  write_safetensors(folder / "w", {}, {{"source", "caf\xe9.onnx"}});
  const MappedFile mapped(folder / "w");
  EXPECT_EQ(Safetensors("w", mapped.bytes()).metadata().at("source"), "caf\uFFFD.onnx");
}

}  // namespace
}  // namespace graft
