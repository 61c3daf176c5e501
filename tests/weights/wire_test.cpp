#include "engine/weights/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace graft {
namespace {

using namespace std::string_literals;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(WireReader, ReadsEachWireType) {
  const std::string message =
      "\x08\x96\x01"s + "\x12\x03"s + "abc" + "\x19"s + "12345678" + "\x25"s + "abcd";
  WireReader reader(bytes_of(message));
  ASSERT_TRUE(reader.next());
  EXPECT_TRUE(reader.is(1, WireReader::Type::varint));
  EXPECT_EQ(reader.varint(), 150U);
  ASSERT_TRUE(reader.next());
  EXPECT_TRUE(reader.is(2, WireReader::Type::bytes));
  EXPECT_EQ(reader.text(), "abc");
  ASSERT_TRUE(reader.next());
  EXPECT_TRUE(reader.is(3, WireReader::Type::fixed64));
  EXPECT_EQ(reader.text(), "12345678");
  ASSERT_TRUE(reader.next());
  EXPECT_TRUE(reader.is(4, WireReader::Type::fixed32));
  EXPECT_EQ(reader.text(), "abcd");
  EXPECT_FALSE(reader.next());
}

TEST(WireReader, ReadsTheLargestNumber) {
  const std::string message = "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s;
  WireReader reader(bytes_of(message));
  ASSERT_TRUE(reader.next());
  EXPECT_EQ(reader.varint(), ~std::uint64_t{0});
}

TEST(WireWriter, WritesWhatTheReaderReads) {
  const std::uint64_t numbers[] = {0, 1, 0x7f, 0x80, 150, 1U << 20U, ~std::uint64_t{0}};
  std::string message;
  for (const std::uint64_t number : numbers)
    message += number_field(1, number) + bytes_field(2000, std::string(number % 1000, 'x'));
  WireReader reader(bytes_of(message));
  for (const std::uint64_t number : numbers) {
    ASSERT_TRUE(reader.next());
    EXPECT_TRUE(reader.is(1, WireReader::Type::varint));
    EXPECT_EQ(reader.varint(), number);
    ASSERT_TRUE(reader.next());
    EXPECT_TRUE(reader.is(2000, WireReader::Type::bytes));
    EXPECT_EQ(reader.text(), std::string(number % 1000, 'x'));
  }
  EXPECT_FALSE(reader.next());
  EXPECT_EQ(number_field(1, 150), "\x08\x96\x01"s);  // as in protobuf's documentation
  EXPECT_EQ(bytes_field(2, "testing"), "\x12\x07testing"s);
}

TEST(WireReader, RefusesWhatIsNotWellFormed) {
  struct Case {
    const char* what;
    std::string message;
    const char* word;
  };
  const Case cases[] = {
      {"field number 0", "\x00\x01"s, "impossible number"},
      {"field number above 2^29", "\x80\x80\x80\x80\x10\x00"s, "impossible number"},
      {"group", "\x0b"s, "wire type"},
      {"end of a group", "\x0c"s, "wire type"},
      {"wire type 7", "\x0f"s, "wire type"},
      {"tag cut short", "\x80"s, "ends within a number"},
      {"number cut short", "\x08\x96"s, "ends within a number"},
      {"number of 65 bits", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"s, "64 bits"},
      {"number of eleven bytes", "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"s, "64 bits"},
      {"length one past the end", "\x12\x04"s + "abc", "does not fit"},
      {"length of 2^64-1", "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s + "abc", "does not fit"},
      {"length of 2^63", "\x12\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"s + "abc", "does not fit"},
      {"fixed64 cut short", "\x19"s + "1234567", "does not fit"},
      {"fixed32 cut short", "\x25"s + "abc", "does not fit"},
  };
  for (const Case& malformed : cases) {
    SCOPED_TRACE(malformed.what);
    try {
      WireReader reader(bytes_of(malformed.message));
      while (reader.next()) {
      }
      ADD_FAILURE() << "nothing was refused";
    } catch (const WireError& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr(malformed.word));
    }
  }
}

}  // namespace
}  // namespace graft
