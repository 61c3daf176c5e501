// Image files of one format, whose first byte is one of GRAFT_FUZZ_FIRST_BYTES: inspect_image and
// decode_image. Checksums of zlib streams and PNG chunks are put right first.

#include "engine/image/image.h"

#include <zlib.h>

#include <cstring>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_peak.h"

namespace graft::fuzz {
namespace {

using File = std::vector<std::byte>;

void put_big_endian(File& file, std::size_t at, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) file[at++] = static_cast<std::byte>(value >> shift);
}

std::uint32_t big_endian(const File& file, std::size_t at) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8U | std::to_integer<std::uint32_t>(file[at++]);
  return value;
}

// The Adler-32 of a zlib stream that begins at `at` and ends in the file.
void put_right_zlib_stream(File& file, std::size_t at) {
  auto* bytes = reinterpret_cast<Bytef*>(file.data());
  z_stream stream{};
  stream.next_in = bytes + at + 2;
  stream.avail_in = static_cast<uInt>(file.size() - at - 2);
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return;
  uLong adler = adler32(0, nullptr, 0);
  int result = Z_OK;
  for (int chunk = 0; chunk < 64 && result == Z_OK; ++chunk) {
    Bytef part[16384];
    stream.next_out = part;
    stream.avail_out = sizeof part;
    result = inflate(&stream, Z_NO_FLUSH);
    adler = adler32(adler, part, static_cast<uInt>(sizeof part - stream.avail_out));
  }
  if (result == Z_STREAM_END && stream.avail_in >= 4)
    put_big_endian(file, file.size() - stream.avail_in, static_cast<std::uint32_t>(adler));
  inflateEnd(&stream);
}

void put_right_zlib_streams(File& file) {
  int streams = 0;
  for (std::size_t at = 0; at + 6 < file.size() && streams < 16; ++at) {
    const auto method = std::to_integer<unsigned>(file[at]);
    const auto flags = std::to_integer<unsigned>(file[at + 1]);
    if (method != 0x78 || (256 * method + flags) % 31 != 0) continue;
    put_right_zlib_stream(file, at);
    ++streams;
  }
}

void put_right_png_chunks(File& file) {
  for (std::size_t at = 8; at + 12 <= file.size();) {
    const std::size_t length = big_endian(file, at);
    if (length > file.size() - at - 12) return;
    const auto* type = reinterpret_cast<const Bytef*>(&file[at + 4]);
    put_big_endian(file, at + 8 + length, static_cast<std::uint32_t>(crc32_z(0, type, length + 4)));
    at += length + 12;
  }
}

}  // namespace
}  // namespace graft::fuzz

GRAFT_FUZZ_TARGET(input) {
  using namespace graft;
  using namespace graft::fuzz;
  constexpr const char* first_bytes = GRAFT_FUZZ_FIRST_BYTES;
  if (input.empty() || std::strchr(first_bytes, std::to_integer<char>(input[0])) == nullptr)
    return -1;
  File file(input.begin(), input.end());
  if (first_bytes[0] == '\x89' || first_bytes[0] == 'I') put_right_zlib_streams(file);
  if (first_bytes[0] == '\x89') put_right_png_chunks(file);
  const Bytes copy = before_unreadable_memory(file);
  const auto cost = accepted(ErrorKind::data, [&] { return inspect_image(copy); });
  if (cost) require(cost->work <= maximum_work, "more work is refused");
  // Larger pictures would take the fuzzer's time; their refusal is a matter of the cost.
  constexpr std::uint64_t most_bytes = std::uint64_t{1} << 26U;
  if (cost && (cost->bytes > most_bytes || cost->work > maximum_work / 50)) return 0;
  // The length decides the options: a mutation that adds or removes a byte tries others.
  DecodeOptions options{.exif_orientation = true};
  if (input.size() % 2 == 0) options.gray16 = Gray16::clip;
  if (input.size() % 4 < 2) options.shrink_towards = ImageSize{8, 8};
  start_memory_peak();
  const auto image = accepted(ErrorKind::data, [&] { return decode_image(copy, options); });
  const std::uint64_t peak = memory_peak();
  if (!image) return 0;
  require(cost.has_value(), "what can be decoded passes the inspection");
  require(peak <= cost->bytes, "decoding takes no more memory than the inspection says");
  require(image->width > 0 && image->height > 0, "an image has pixels");
  require(image->rgb.size() == std::size_t{3} * image->width * image->height,
          "three bytes a pixel");
  const Image again = decode_image(file, options);
  require(again.width == image->width && again.height == image->height && again.rgb == image->rgb,
          "decoding again, from another place, gives the same pixels");
  return 0;
}
