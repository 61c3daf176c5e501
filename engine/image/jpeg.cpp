// JPEG by libjpeg-turbo. Decoding is with its defaults (islow DCT, fancy upsampling), which Pillow uses too.
// A file that ends early is refused: the source suspends at the end of the file and invents no end
// marker, so libjpeg never pads the picture. Other damage that libjpeg only warns of is accepted, as
// in Pillow, and so is a missing end marker after the last row.
//
// A shrunk picture (shrink_towards) comes from an inverse DCT of 4, 2 or 1 points a side: nearly
// the mean of each 2×2, 4×4 or 8×8 pixels. No resize filter reads only such means: "nearest" picks
// single pixels, the others weigh every pixel. So only a picture that is not shrunk gives the same
// bytes.

#include <array>
#include <csetjmp>
#include <cstdio>  // jpeglib.h uses FILE without including it
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <jpeglib.h>

#include <jerror.h>

#include "engine/image/formats.h"

namespace graft::image {
namespace {

// Progressive files have about ten scans; each costs a pass over the full picture.
constexpr std::size_t maximum_scans = 200;

// ns, or so: see DecodingCost.
constexpr std::uint64_t huffman_block_work = 60, huffman_byte_work = 25;
constexpr std::uint64_t arithmetic_block_work = 1500, arithmetic_byte_work = 150;
constexpr std::uint64_t pixel_work = 5;

struct Errors {
  jpeg_error_mgr manager;  // first: libjpeg hands back a pointer to it
  std::jmp_buf target;
  std::array<char, JMSG_LENGTH_MAX> message;

  // For jpeg_create_decompress and jpeg_create_compress.
  jpeg_error_mgr* start() {
    jpeg_std_error(&manager);
    manager.error_exit = [](j_common_ptr info) {
      auto* errors = reinterpret_cast<Errors*>(info->err);
      info->err->format_message(info, errors->message.data());
      std::longjmp(errors->target, 1);
    };
    manager.emit_message = [](j_common_ptr, int) {};
    return &manager;
  }

  void throw_if_out_of_memory() const {
    if (manager.msg_code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
  }
};

// libjpeg's decompressor. On an error libjpeg calls longjmp, over frames of C and of `call` only,
// whose locals have no destructors. call_library turns that into an exception.
class Decompressor {
 public:
  explicit Decompressor(Bytes file) {
    info_.err = errors_.start();
    call_library([this] { jpeg_create_decompress(&info_); });
    source_.init_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = [](j_decompress_ptr) -> boolean { return FALSE; };  // suspend
    source_.skip_input_data = [](j_decompress_ptr info, long count) {
      if (count <= 0) return;
      const std::size_t step = std::min<std::size_t>(info->src->bytes_in_buffer, count);
      info->src->next_input_byte += step;
      info->src->bytes_in_buffer -= step;
    };
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.term_source = [](j_decompress_ptr) {};
    source_.next_input_byte = data_of(file);
    source_.bytes_in_buffer = file.size();
    info_.src = &source_;
  }
  ~Decompressor() { jpeg_destroy_decompress(&info_); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  template <typename Call>
  void call_library(Call call) {
    if (setjmp(errors_.target) != 0) {
      errors_.throw_if_out_of_memory();
      refuse("the JPEG cannot be decoded: {}", errors_.message.data());
    }
    call();
  }

  jpeg_decompress_struct& info() { return info_; }

 private:
  jpeg_decompress_struct info_{};
  Errors errors_{};
  jpeg_source_mgr source_{};
};

// `row` comes with the RGB, gray or CMYK samples of libjpeg and `out` gets RGB. Adobe's CMYK is
// inverted: 255 is no ink.
void rgb_of_row(const std::uint8_t* row, J_COLOR_SPACE space, std::size_t width,
                std::uint8_t* out) {
  if (space == JCS_RGB) {
    std::copy_n(row, 3 * width, out);
  } else if (space == JCS_GRAYSCALE) {
    for (std::size_t x = 0; x < width; ++x) set_gray(out + 3 * x, row[x]);
  } else {
    for (std::size_t x = 0; x < width; ++x, row += 4) {
      for (std::size_t c = 0; c < 3; ++c) *out++ = light_of_ink(255U - row[c], 255U - row[3]);
    }
  }
}

// The smallest n of 1, 2, 4 and 8 at which the picture, scaled by n/8, is still as large as
// `target`; 8 if it is smaller anyway. libjpeg-turbo has vector code for these four scales only: with
// 3, 5, 6 and 7 the same photos took longer.
unsigned scale_towards(const ImageSize& target, const jpeg_decompress_struct& info) {
  for (unsigned scale = 1; scale < DCTSIZE; scale *= 2) {
    const auto scaled = [&](std::uint64_t side) { return (side * scale + DCTSIZE - 1) / DCTSIZE; };
    if (scaled(info.image_width) >= target.width && scaled(info.image_height) >= target.height)
      return scale;
  }
  return DCTSIZE;
}

// ---- The segments: dimensions, whether the file can hold them, and how often it is passed over ----

enum Marker : std::uint8_t {
  first_frame = 0xC0,
  huffman_progressive_frame = 0xC2,
  huffman_tables = 0xC4,
  reserved_frame = 0xC8,
  first_arithmetic_frame = 0xC9,
  arithmetic_progressive_frame = 0xCA,
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

// Walks segments. Bytes between them are skipped, as libjpeg does. So are markers below the frames':
// libjpeg passes over them within a scan as if they had no length.
class SegmentReader {
 public:
  explicit SegmentReader(Bytes file) : file_(file) {}

  // The next segment, or nothing when the file ends first.
  std::optional<Segment> next() {
    while (const std::optional<std::uint8_t> marker = next_marker()) {
      if (*marker == end_of_image) return Segment{*marker, {}};
      if (*marker < first_frame || (*marker >= first_restart && *marker <= last_restart)) continue;
      if (file_.size() - at_ < 2) return std::nullopt;
      const std::size_t length = big_endian_16(file_, at_);
      if (length < 2) refuse("the JPEG has a segment of impossible length");
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
    at_ = std::min(text_of(file_).find('\xFF', at_), file_.size());
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
  std::size_t components = 0;
  bool is_arithmetic = false;
  bool is_progressive = false;
  std::uint64_t least_bytes = 0;        // of the scans: a lower bound for any encoder
  std::uint64_t blocks = 0;             // of 8 x 8 samples, with those that fill up the last unit
  std::uint64_t blocks_of_largest = 0;  // component
  std::uint64_t row_bytes = 0;          // of libjpeg's buffers of rows
};

// `components`: three bytes of each, the second of them its sampling factors.
void count_blocks(Bytes components, Frame& frame) {
  const auto horizontal = [&](std::size_t i) { return std::uint64_t{byte_at(components, i)} >> 4; };
  const auto vertical = [&](std::size_t i) { return std::uint64_t{byte_at(components, i)} & 15; };
  std::uint64_t largest_h = 1, largest_v = 1;
  for (std::size_t i = 1; i < components.size(); i += 3) {
    if (horizontal(i) < 1 || horizontal(i) > 4 || vertical(i) < 1 || vertical(i) > 4)
      refuse("the JPEG has impossible sampling factors");
    largest_h = std::max(largest_h, horizontal(i));
    largest_v = std::max(largest_v, vertical(i));
  }
  const auto divide_up = [](std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; };
  const std::uint64_t units_x = divide_up(frame.width, 8 * largest_h);
  const std::uint64_t units_y = divide_up(frame.height, 8 * largest_v);
  std::uint64_t coded = 0;
  for (std::size_t i = 1; i < components.size(); i += 3) {
    const std::uint64_t h = horizontal(i), v = vertical(i);
    coded += divide_up(frame.width * h / largest_h, 8) * divide_up(frame.height * v / largest_v, 8);
    const std::uint64_t blocks = units_x * h * units_y * v;
    frame.blocks += blocks;
    frame.blocks_of_largest = std::max(frame.blocks_of_largest, blocks);
    // Ten groups of rows before upsampling, one after it.
    frame.row_bytes += 8 * units_x * (10 * h * v + largest_h * largest_v);
  }
  // Huffman-coded, a block takes at least one bit. Arithmetic coding of flat blocks takes less.
  frame.least_bytes = coded / 8 / (frame.is_arithmetic ? 16 : 1);
}

Frame read_frame(const Segment& segment) {
  const Bytes payload = segment.payload;
  if (payload.size() < 6 || payload.size() < 6 + 3 * std::size_t{byte_at(payload, 5)})
    refuse("the JPEG's frame header is too short");
  const std::uint32_t bits = byte_at(payload, 0);
  if (bits != 8) refuse("a JPEG of {} bits a sample is not supported", bits);
  if (segment.marker % 4 == 3)
    refuse("a lossless JPEG is not supported; save it as PNG, with Pillow 13 for example");
  Frame frame;
  frame.components = byte_at(payload, 5);
  if (frame.components != 1 && frame.components != 3 && frame.components != 4)
    refuse("a JPEG of {} components is not supported", frame.components);
  frame.height = big_endian_16(payload, 1);
  frame.width = big_endian_16(payload, 3);
  check_dimensions(frame.width, frame.height);
  frame.is_arithmetic = segment.marker >= first_arithmetic_frame;
  frame.is_progressive =
      segment.marker == huffman_progressive_frame || segment.marker == arithmetic_progressive_frame;
  count_blocks(payload.subspan(6, 3 * frame.components), frame);
  return frame;
}

// `blocks`: what all scans pass over. `is_buffered`: libjpeg keeps all coefficients until the last.
DecodingCost cost_of(const Frame& frame, std::uint64_t blocks, bool is_buffered,
                     std::uint64_t file_bytes) {
  const std::uint64_t pixels = std::uint64_t{frame.width} * frame.height;
  DecodingCost cost{frame.width, frame.height};
  cost.bytes = std::max(3 * file_bytes,  // first its metadata, a text that grows as it is joined
                        2 * 3 * pixels + (is_buffered ? 128 * frame.blocks : 0) + frame.row_bytes +
                            4 * std::uint64_t{frame.width}) +
               fixed_decoder_bytes;
  cost.work = frame.is_arithmetic
                  ? arithmetic_block_work * blocks + arithmetic_byte_work * file_bytes
                  : huffman_block_work * blocks + huffman_byte_work * file_bytes;
  cost.work += pixel_work * pixels;
  return cost;
}

// Pillow joins the EXIF segments and takes the last XMP.
Metadata metadata_of(Bytes file) {
  constexpr std::string_view xmp_prefix{"http://ns.adobe.com/xap/1.0/\0", 29};
  Metadata metadata;
  SegmentReader reader(file);
  while (const std::optional<Segment> segment = reader.next()) {
    if (segment->marker == start_of_scan || segment->marker == end_of_image) break;
    if (segment->marker != application_1) continue;
    std::string_view text = text_of(segment->payload);
    if (text.starts_with(exif_prefix)) {
      if (!metadata.exif.empty()) text.remove_prefix(exif_prefix.size());
      metadata.exif += text;
    } else if (text.starts_with(xmp_prefix)) {
      metadata.xmp = text.substr(xmp_prefix.size());
    }
  }
  return metadata;
}

// Into memory that malloc made. Returns false on an error: see Decompressor for longjmp.
bool compress(const Image& image, int quality, Errors& errors, std::uint8_t*& bytes,
              unsigned long& size) {
  jpeg_compress_struct info{};
  info.err = errors.start();
  if (setjmp(errors.target) != 0) {
    jpeg_destroy_compress(&info);
    return false;
  }
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = image.width;
  info.image_height = image.height;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  info.optimize_coding = TRUE;
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    const auto* row = &image.rgb[std::size_t{info.next_scanline} * image.width * 3];
    auto* unchanged = const_cast<JSAMPROW>(row);
    jpeg_write_scanlines(&info, &unchanged, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  return true;
}

}  // namespace

Image decode_jpeg(Bytes file, const DecodeOptions& options) {
  const int orientation = options.exif_orientation ? orientation_of(metadata_of(file)) : 1;
  Decompressor decompressor(file);
  jpeg_decompress_struct& info = decompressor.info();
  int header = JPEG_SUSPENDED;
  decompressor.call_library([&] { header = jpeg_read_header(&info, TRUE); });
  if (header != JPEG_HEADER_OK) refuse("the JPEG is truncated: the file ends in its header");
  if (options.shrink_towards) {
    ImageSize target = *options.shrink_towards;
    if (is_on_its_side(orientation)) std::swap(target.height, target.width);
    info.scale_num = scale_towards(target, info);
    info.scale_denom = DCTSIZE;
  }
  decompressor.call_library([&] { jpeg_calc_output_dimensions(&info); });
  Image image = make_image(info.output_width, info.output_height);
  info.out_color_space = info.num_components == 1   ? JCS_GRAYSCALE
                         : info.num_components == 4 ? JCS_CMYK
                                                    : JCS_RGB;
  boolean started = FALSE;
  decompressor.call_library([&] { started = jpeg_start_decompress(&info); });

  std::vector<std::uint8_t> samples(std::size_t{image.width} * 4);
  decompressor.call_library([&] {
    const std::size_t stride = std::size_t{image.width} * 3;
    while (started != FALSE && info.output_scanline < info.output_height) {
      std::uint8_t* out = &image.rgb[info.output_scanline * stride];
      JSAMPROW row = info.out_color_space == JCS_RGB ? out : samples.data();
      if (jpeg_read_scanlines(&info, &row, 1) != 1) return;
      if (row != out) rgb_of_row(row, info.out_color_space, image.width, out);
    }
  });
  if (info.output_scanline < info.output_height) {
    const std::uint64_t row =
        std::uint64_t{info.output_scanline} * info.image_height / info.output_height;
    refuse("the JPEG is truncated: the file ends at row {} of {}", row, info.image_height);
  }
  return upright(std::move(image), orientation);
}

DecodingCost inspect_jpeg(Bytes file) {
  SegmentReader reader(file);
  std::optional<Frame> frame;
  std::uint64_t blocks = 0;
  std::size_t scans = 0;
  while (const std::optional<Segment> segment = reader.next()) {
    if (is_frame(segment->marker) && !frame) frame = read_frame(*segment);
    if (segment->marker == end_of_image) break;
    if (segment->marker != start_of_scan) continue;
    if (!frame) refuse("the JPEG has a scan but no frame header before it");
    if (blocks == 0 && reader.bytes_left() < std::max<std::uint64_t>(frame->least_bytes, 1)) {
      refuse("the JPEG is truncated: {} bytes cannot hold its {} x {} pixels", reader.bytes_left(),
             frame->width, frame->height);
    }
    const std::size_t components = segment->payload.empty() ? 0 : byte_at(segment->payload, 0);
    if (blocks == 0 && components == frame->components && !frame->is_progressive)
      return cost_of(*frame, frame->blocks, false, file.size());  // further scans are not read
    if (++scans > maximum_scans) refuse("the JPEG has more than {} scans", maximum_scans);
    blocks += std::min(frame->blocks, components * frame->blocks_of_largest);
  }
  if (blocks == 0) refuse("the JPEG is truncated: the file ends before its picture data");
  return cost_of(*frame, blocks, true, file.size());
}

}  // namespace graft::image

namespace graft {

std::string encode_jpeg(const Image& image, int quality) {
  image::Errors errors{};
  std::uint8_t* bytes = nullptr;
  unsigned long size = 0;
  const bool is_complete = image::compress(image, quality, errors, bytes, size);
  const std::unique_ptr<std::uint8_t, decltype(&std::free)> owner(bytes, &std::free);
  if (!is_complete) {
    errors.throw_if_out_of_memory();
    throw BadImage(errors.message.data());
  }
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace graft
