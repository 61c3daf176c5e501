// The segments of a JPEG file up to its first scan: dimensions, and whether the file can hold them.

#include <optional>
#include <string>
#include <string_view>

#include "engine/image/formats.h"

namespace graft::image {

namespace {

enum Marker : std::uint8_t {
  temporary = 0x01,
  first_frame = 0xC0,
  huffman_progressive_frame = 0xC2,
  huffman_tables = 0xC4,
  reserved_frame = 0xC8,
  arithmetic_tables = 0xCC,
  last_frame = 0xCF,
  first_restart = 0xD0,
  last_restart = 0xD7,
  end_of_image = 0xD9,
  start_of_scan = 0xDA,
  application_1 = 0xE1,
};

struct Segment {
  std::uint8_t marker = 0;
  Bytes payload;  // without the two length bytes
};

// Walks segments. Bytes between them are skipped, as libjpeg does.
class SegmentReader {
 public:
  explicit SegmentReader(Bytes file) : file_(file) {}

  // The next segment, or nothing when the file ends first.
  std::optional<Segment> next() {
    while (const std::optional<std::uint8_t> marker = next_marker()) {
      if (*marker == end_of_image) return Segment{*marker, {}};
      if (*marker == 0 || *marker == temporary ||
          (*marker >= first_restart && *marker <= last_restart)) {
        continue;
      }
      if (file_.size() - at_ < 2) return std::nullopt;
      const std::size_t length = big_endian_16(file_, at_);
      if (length < 2) throw BadImage("the JPEG has a segment of impossible length");
      if (file_.size() - at_ < length) return std::nullopt;
      const Bytes payload = file_.subspan(at_ + 2, length - 2);
      at_ += length;
      return Segment{*marker, payload};
    }
    return std::nullopt;
  }

  std::size_t bytes_left() const { return file_.size() - at_; }

 private:
  std::optional<std::uint8_t> next_marker() {
    while (at_ < file_.size() && byte_at(file_, at_) != 0xFF) ++at_;
    while (at_ < file_.size() && byte_at(file_, at_) == 0xFF) ++at_;
    if (at_ >= file_.size()) return std::nullopt;
    return byte_at(file_, at_++);
  }

  Bytes file_;
  std::size_t at_ = 2;  // after the start-of-image marker
};

bool is_frame(std::uint8_t marker) {
  return marker >= first_frame && marker <= last_frame && marker != huffman_tables &&
         marker != reserved_frame && marker != arithmetic_tables;
}

struct Frame {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint64_t least_bytes = 0;  // of the scans, by a bound that no encoder can beat
};

// Huffman-coded, each block of 8 x 8 samples takes at least one bit.
std::uint64_t least_bytes_of(const Frame& frame, Bytes components) {
  std::uint64_t largest_h = 1;
  std::uint64_t largest_v = 1;
  for (std::size_t i = 1; i < components.size(); i += 3) {
    const std::uint64_t h = byte_at(components, i) >> 4;
    const std::uint64_t v = byte_at(components, i) & 15;
    if (h < 1 || h > 4 || v < 1 || v > 4)
      throw BadImage("the JPEG has impossible sampling factors");
    largest_h = std::max(largest_h, h);
    largest_v = std::max(largest_v, v);
  }
  std::uint64_t blocks = 0;
  for (std::size_t i = 1; i < components.size(); i += 3) {
    const std::uint64_t h = byte_at(components, i) >> 4;
    const std::uint64_t v = byte_at(components, i) & 15;
    blocks += (frame.width * h / largest_h + 7) / 8 * ((frame.height * v / largest_v + 7) / 8);
  }
  return blocks / 8;
}

Frame read_frame(const Segment& segment) {
  const Bytes payload = segment.payload;
  if (payload.size() < 6 || payload.size() < 6 + 3 * std::size_t{byte_at(payload, 5)}) {
    throw BadImage("the JPEG's frame header is too short");
  }
  const std::uint32_t bits = byte_at(payload, 0);
  if (bits != 8) throw BadImage("a JPEG of " + std::to_string(bits) + " bits a sample is not read");
  const std::size_t components = byte_at(payload, 5);
  if (components != 1 && components != 3 && components != 4) {
    throw BadImage("a JPEG of " + std::to_string(components) + " components is not read");
  }
  Frame frame;
  frame.height = big_endian_16(payload, 1);
  frame.width = big_endian_16(payload, 3);
  check_dimensions(frame.width, frame.height);
  if (segment.marker <= huffman_progressive_frame) {
    frame.least_bytes = least_bytes_of(frame, payload.subspan(6, 3 * components));
  }
  return frame;
}

constexpr std::string_view exif_prefix{"Exif\0\0", 6};

}  // namespace

ImageInfo inspect_jpeg(Bytes file) {
  SegmentReader reader(file);
  std::optional<Frame> frame;
  while (const std::optional<Segment> segment = reader.next()) {
    if (is_frame(segment->marker) && !frame) frame = read_frame(*segment);
    if (segment->marker == end_of_image) throw BadImage("the JPEG ends before its picture data");
    if (segment->marker != start_of_scan) continue;
    if (!frame) throw BadImage("the JPEG has a scan but no frame header before it");
    if (reader.bytes_left() < std::max<std::uint64_t>(frame->least_bytes, 1)) {
      throw BadImage("the JPEG is truncated: " + std::to_string(reader.bytes_left()) +
                     " bytes cannot hold its " + std::to_string(frame->width) + " x " +
                     std::to_string(frame->height) + " pixels");
    }
    return {ImageFormat::jpeg, frame->width, frame->height, false};
  }
  throw BadImage("the JPEG is truncated: the file ends before its picture data");
}

Bytes exif_of_jpeg(Bytes file) {
  SegmentReader reader(file);
  while (const std::optional<Segment> segment = reader.next()) {
    if (segment->marker == start_of_scan || segment->marker == end_of_image) break;
    const Bytes payload = segment->payload;
    if (segment->marker == application_1 && payload.size() > exif_prefix.size() &&
        std::equal(exif_prefix.begin(), exif_prefix.end(), data_of(payload),
                   [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; })) {
      return payload.subspan(exif_prefix.size());
    }
  }
  return {};
}

}  // namespace graft::image
