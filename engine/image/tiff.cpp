// TIFF by libtiff, from memory: the first picture of the file, turned upright by its orientation
// tag, as Pillow does on load. 8- and 16-bit gray, RGB, palette and CMYK samples are converted here,
// because libtiff's RGBA reader multiplies colours with alpha and rounds 16 bits. That reader
// converts the rest: fewer than 8 bits, YCbCr.

#include <tiffio.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/image/formats.h"

namespace graft::image {
namespace {

// libtiff takes more for no table of strips and no block.
constexpr tmsize_t largest_libtiff_allocation = tmsize_t{1} << 29;
constexpr std::uint64_t largest_tile_pixels = std::uint64_t{1} << 24;
constexpr std::size_t maximum_samples = 8;

// ns, or so: see DecodingCost.
constexpr std::uint64_t raw_block_work = 500, raw_byte_work = 1;
constexpr std::uint64_t packed_block_work = 5000, packed_byte_work = 5;
constexpr std::uint64_t pixel_work = 10, libtiff_pixel_work = 25;

// The file as libtiff reads it, libtiff's first error, and whether memory ran out.
struct Stream {
  Bytes file;
  std::uint64_t position = 0;
  std::array<char, 256> error{};
  bool is_out_of_memory = false;
};

Stream& stream_of(void* handle) {
  return *static_cast<Stream*>(handle);
}

tmsize_t read_stream(thandle_t handle, void* target, tmsize_t size) {
  Stream& stream = stream_of(handle);
  if (size <= 0 || stream.position >= stream.file.size()) return 0;
  const Bytes rest = stream.file.subspan(stream.position);
  const std::size_t count = std::min(static_cast<std::size_t>(size), rest.size());
  std::memcpy(target, rest.data(), count);
  stream.position += count;
  return static_cast<tmsize_t>(count);
}

toff_t seek_stream(thandle_t handle, toff_t offset, int whence) {
  Stream& stream = stream_of(handle);
  if (whence == SEEK_CUR) offset += stream.position;
  if (whence == SEEK_END) offset += stream.file.size();
  return stream.position = offset;
}

int map_stream(thandle_t handle, void** base, toff_t* size) {
  const Bytes file = stream_of(handle).file;
  *base = const_cast<std::byte*>(file.data());  // opened for reading: libtiff does not write to it
  *size = file.size();
  return 1;
}

// libtiff has no code for it, and may go on without a tag that it had no memory for. Its own limits
// are no lack of memory.
bool is_lack_of_memory(std::string_view text) {
  const auto has = [&](std::string_view words) { return text.find(words) != text.npos; };
  return (has("emory") || has("llocat") || has("No space")) && !has("limit") && !has("threshold");
}

template <bool is_error>
int keep_message(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  Stream& stream = stream_of(user);
  std::array<char, 256> text{};
  std::vsnprintf(text.data(), text.size(), format, arguments);
  stream.is_out_of_memory |= is_lack_of_memory(text.data());
  if (is_error && stream.error[0] == '\0') stream.error = text;
  return 1;  // handled: nothing goes to stderr
}

// An integer of the file, in its byte order; 0 where the file ends before.
std::uint64_t number_at(Bytes file, std::uint64_t offset, std::size_t bytes) {
  if (offset > file.size() || file.size() - offset < bytes) return 0;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    const bool is_big_endian = byte_at(file, 0) == 'M';
    value = value << 8 | byte_at(file, offset + (is_big_endian ? i : bytes - 1 - i));
  }
  return value;
}

// libtiff copies the data of every tag of the first directory, which may all be the same bytes of
// the file, and makes 8 bytes of each place and length of a strip or tile. Data that is larger than
// the file is no danger: libtiff does not read it. Returns the bytes that it takes.
std::uint64_t check_tags(Bytes file) {
  const bool is_big = number_at(file, 2, 2) == 43;
  const std::size_t offset_bytes = is_big ? 8 : 4;
  const std::size_t count_bytes = is_big ? 8 : 2;
  const std::uint64_t directory = number_at(file, is_big ? 8 : 4, offset_bytes);
  const std::uint64_t tags = number_at(file, directory, count_bytes);
  constexpr std::uint64_t shared = std::uint64_t{1} << 20;  // small values may well be
  std::uint64_t total = 0;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(tags, 65'535); ++i) {
    const std::uint64_t entry = directory + count_bytes + i * (4 + 2 * offset_bytes);
    const std::uint64_t tag = number_at(file, entry, 2);
    const std::uint64_t type = number_at(file, entry + 2, 2);
    const std::uint64_t count = number_at(file, entry + 4, offset_bytes);
    const int width = type <= TIFF_IFD8 ? TIFFDataWidth(static_cast<TIFFDataType>(type)) : 0;
    const bool is_of_blocks = tag == TIFFTAG_STRIPOFFSETS || tag == TIFFTAG_STRIPBYTECOUNTS ||
                              tag == TIFFTAG_TILEOFFSETS || tag == TIFFTAG_TILEBYTECOUNTS;
    if (count <= file.size() && count * width <= file.size())
      total += count * (is_of_blocks ? 8 : width);
  }
  if (total > file.size() + shared)
    refuse("the TIFF's tags have {} bytes in all, more than the file", total);
  return total;
}

struct TiffHeader {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint16_t bits = 1;
  std::uint16_t samples = 1;
  std::uint16_t photometric = PHOTOMETRIC_MINISBLACK;
  std::uint16_t planar = PLANARCONFIG_CONTIG;
  std::uint16_t compression = COMPRESSION_NONE;
  std::uint16_t format = SAMPLEFORMAT_UINT;
  std::uint16_t orientation = ORIENTATION_TOPLEFT;
  bool associated_alpha = false;  // colours are stored multiplied with alpha

  bool is_gray() const {
    return photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_MINISWHITE;
  }
};

// The largest number of bytes of samples that one byte of the file can hold. Other compressions are
// refused: nobody has bounded what they take.
std::uint64_t largest_ratio_of(const TiffHeader& header) {
  switch (header.compression) {
    case COMPRESSION_NONE:
      return 1;
    case COMPRESSION_PACKBITS:
    case COMPRESSION_JPEG:
    case COMPRESSION_LZW:
    case COMPRESSION_DEFLATE:
    case COMPRESSION_ADOBE_DEFLATE:
      return 4096;  // LZW's is about 1,400, the others' below it
    case COMPRESSION_CCITTRLE:
    case COMPRESSION_CCITTRLEW:
    case COMPRESSION_CCITTFAX3:
    case COMPRESSION_CCITTFAX4:
      return header.width + std::uint64_t{8};  // a row of the previous one's bits takes one bit
    default:
      refuse("a TIFF of compression {} is not supported; save it with LZW or deflate",
             header.compression);
  }
}

class TiffFile {
 public:
  explicit TiffFile(Stream& stream) : stream_(stream) {
    tag_bytes_ = check_tags(stream.file);
    const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(
        TIFFOpenOptionsAlloc(), &TIFFOpenOptionsFree);
    if (!options) throw std::bad_alloc();
    TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), largest_libtiff_allocation);
    TIFFOpenOptionsSetErrorHandlerExtR(options.get(), keep_message<true>, &stream_);
    TIFFOpenOptionsSetWarningHandlerExtR(options.get(), keep_message<false>, &stream_);
    tiff_.reset(TIFFClientOpenExt(
        "", "r", &stream_, read_stream, [](thandle_t, void*, tmsize_t) -> tmsize_t { return 0; },
        seek_stream, [](thandle_t) { return 0; },
        [](thandle_t handle) -> toff_t { return stream_of(handle).file.size(); }, map_stream,
        [](thandle_t, void*, toff_t) {}, options.get()));
    if (!tiff_) fail();
    read_header();
  }
  TIFF* handle() const { return tiff_.get(); }
  const TiffHeader& header() const { return header_; }
  Bytes bytes() const { return stream_.file; }
  std::uint64_t tag_bytes() const { return tag_bytes_; }

  [[noreturn]] void fail() const {
    refuse("the TIFF is damaged or truncated: {}",
           stream_.error[0] == '\0' ? "it cannot be read" : stream_.error.data());
  }

 private:
  struct Close {
    void operator()(TIFF* tiff) const { TIFFClose(tiff); }
  };

  void read_header() {
    TIFF* tiff = handle();
    if (TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &header_.width) == 0 ||
        TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &header_.height) == 0)
      refuse("the TIFF does not say how large its image is");
    check_dimensions(header_.width, header_.height);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &header_.bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &header_.samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &header_.planar);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &header_.compression);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &header_.format);
    std::uint32_t xmp_size = 0;
    const char* xmp = nullptr;
    if (TIFFGetField(tiff, TIFFTAG_ORIENTATION, &header_.orientation) == 0 &&
        TIFFGetField(tiff, TIFFTAG_XMLPACKET, &xmp_size, &xmp) != 0)
      header_.orientation =
          static_cast<std::uint16_t>(orientation_of({{}, std::string(xmp, xmp_size)}));
    if (TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &header_.photometric) == 0)
      header_.photometric = header_.samples >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
    std::uint16_t extra_count = 0;
    std::uint16_t* extra = nullptr;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extra_count, &extra);
    if (extra_count > 0 && extra == nullptr) throw std::bad_alloc();  // libtiff says nothing then
    header_.associated_alpha = extra_count > 0 && extra[0] == EXTRASAMPLE_ASSOCALPHA;
    check_plausible();
  }

  void check_plausible() const {
    if (header_.samples == 0 || header_.samples > maximum_samples)
      refuse("a TIFF of {} samples a pixel is not supported", header_.samples);
    if (header_.samples > 2 && (header_.is_gray() || header_.photometric == PHOTOMETRIC_PALETTE))
      refuse(
          "the TIFF has {} samples a pixel and does not say which are red, green and blue; save it "
          "as RGB (gdal_translate -b 1 -b 2 -b 3 -co PHOTOMETRIC=RGB)",
          header_.samples);
    if (header_.format != SAMPLEFORMAT_UINT && header_.format != SAMPLEFORMAT_VOID)
      refuse("a TIFF of signed or floating-point samples is not supported; save it with 8 bits");
    const std::uint64_t ratio = largest_ratio_of(header_);
    const std::uint64_t chroma_shared = header_.photometric == PHOTOMETRIC_YCBCR ? 16 : 1;
    const std::uint64_t need = std::uint64_t{header_.width} * header_.height * header_.samples *
                               header_.bits / 8 / chroma_shared / ratio;
    check_length(stream_.file.size(), need, header_.width, header_.height);
  }

  Stream& stream_;
  std::uint64_t tag_bytes_ = 0;
  std::unique_ptr<TIFF, Close> tiff_;
  TiffHeader header_;
};

// After this, YCbCr in JPEG strips reads as RGB.
bool samples_are_read_here(const TiffFile& file) {
  const TiffHeader& header = file.header();
  if (header.bits != 8 && header.bits != 16) return false;
  if (header.photometric == PHOTOMETRIC_YCBCR)
    return header.compression == COMPRESSION_JPEG && header.bits == 8 &&
           TIFFSetField(file.handle(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB) != 0;
  return header.is_gray() || header.photometric == PHOTOMETRIC_PALETTE ||
         header.photometric == PHOTOMETRIC_SEPARATED || header.photometric == PHOTOMETRIC_RGB;
}

// The number of samples of a pixel that its colour depends on.
std::size_t colours_of(const TiffHeader& header) {
  if (header.is_gray() || header.photometric == PHOTOMETRIC_PALETTE) return 1;
  return header.photometric == PHOTOMETRIC_SEPARATED || header.associated_alpha ? 4 : 3;
}

// Refuses unsupported kinds of TIFF before any pixel is read.
void check_kind(const TiffFile& file) {
  const TiffHeader& header = file.header();
  if (!samples_are_read_here(file)) {
    std::array<char, 1024> reason{};
    if (header.photometric == PHOTOMETRIC_CIELAB || header.photometric == PHOTOMETRIC_ICCLAB)
      refuse("a TIFF of Lab colours is not supported; save it as RGB");
    if (TIFFRGBAImageOK(file.handle(), reason.data()) == 0)
      refuse("this kind of TIFF is not supported: {}; save it with 8 bits a sample", reason.data());
    return;
  }
  if (header.samples < colours_of(header))
    refuse("the TIFF has fewer samples a pixel than its colours need");
  std::array<std::uint16_t*, 3> map{};
  if (header.photometric == PHOTOMETRIC_PALETTE &&
      (header.bits != 8 ||
       TIFFGetField(file.handle(), TIFFTAG_COLORMAP, &map[0], &map[1], &map[2]) == 0))
    refuse("the TIFF's palette is missing or not of 8 bits");
}

// Strips or tiles: blocks of one size that cover the image.
struct Blocks {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t count = 0;
  bool tiled = false;
  std::size_t bytes = 0;  // of one decoded block, of one channel if the channels are separate
};

Blocks blocks_of(const TiffFile& file) {
  Blocks blocks;
  TIFF* tiff = file.handle();
  const TiffHeader& header = file.header();
  blocks.tiled = TIFFIsTiled(tiff) != 0;
  if (blocks.tiled) {
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &blocks.width);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &blocks.height);
  } else {
    blocks.width = header.width;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &blocks.height);
    blocks.height = std::min(blocks.height, header.height);
  }
  const std::uint64_t pixels = std::uint64_t{blocks.width} * blocks.height;
  if (pixels == 0 || (blocks.tiled && pixels > largest_tile_pixels))
    refuse("the TIFF's tiles or strips have an impossible size");
  blocks.count = blocks.tiled ? TIFFNumberOfTiles(tiff) : TIFFNumberOfStrips(tiff);
  blocks.bytes = blocks.tiled ? TIFFTileSize64(tiff) : TIFFStripSize64(tiff);
  if (blocks.count == 0 || blocks.bytes > (std::uint64_t{1} << 40) / blocks.count)
    refuse("the TIFF's tiles or strips have an impossible size");
  const std::size_t samples = header.planar == PLANARCONFIG_SEPARATE ? 1 : header.samples;
  if (samples_are_read_here(file) && blocks.bytes != pixels * samples * header.bits / 8)
    file.fail();
  return blocks;
}

// The colours of 8- and 16-bit samples.
class SampleReader {
 public:
  SampleReader(const TiffFile& file, Gray16 gray16)
      : file_(file), header_(file.header()), gray16_(gray16), blocks_(blocks_of(file)) {
    separate_ = header_.planar == PLANARCONFIG_SEPARATE;
    TIFFGetField(file.handle(), TIFFTAG_COLORMAP, &colour_map_[0], &colour_map_[1],
                 &colour_map_[2]);
    channels_.resize(separate_ ? colours_of(header_) : 1);
    for (auto& channel : channels_) channel.resize(blocks_.bytes);
  }

  Image read() {
    Image image = make_image(header_.width, header_.height);
    for (std::uint32_t y = 0; y < header_.height; y += blocks_.height) {
      for (std::uint32_t x = 0; x < header_.width; x += blocks_.width) {
        read_block(x, y);
        convert_block(x, y, image);
      }
    }
    return image;
  }

 private:
  void read_block(std::uint32_t x, std::uint32_t y) {
    TIFF* tiff = file_.handle();
    for (std::uint16_t sample = 0; sample < channels_.size(); ++sample) {
      auto* target = channels_[sample].data();
      const auto size = static_cast<tmsize_t>(blocks_.bytes);
      const tmsize_t count =
          blocks_.tiled
              ? TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, x, y, 0, sample), target, size)
              : TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, y, sample), target, size);
      if (count < 0) file_.fail();
    }
  }

  std::uint32_t sample(std::size_t pixel, std::size_t index) const {
    const auto& channel = channels_[separate_ ? index : 0];
    const std::size_t at = separate_ ? pixel : pixel * header_.samples + index;
    if (header_.bits == 8) return channel[at];
    std::uint16_t value = 0;
    std::memcpy(&value, &channel[2 * at], 2);
    return value;
  }

  std::uint32_t sample8(std::size_t pixel, std::size_t index) const {
    const std::uint32_t value = sample(pixel, index);
    return header_.bits == 8 ? value : value >> 8;
  }

  void convert_block(std::uint32_t left, std::uint32_t top, Image& image) const {
    const std::uint32_t width = std::min(blocks_.width, header_.width - left);
    const std::uint32_t height = std::min(blocks_.height, header_.height - top);
    for (std::size_t y = 0; y < height; ++y) {
      std::uint8_t* out = &image.rgb[((top + y) * header_.width + left) * 3];
      for (std::size_t x = 0; x < width; ++x, out += 3) convert(y * blocks_.width + x, out);
    }
  }

  void convert(std::size_t pixel, std::uint8_t* out) const {
    switch (header_.photometric) {
      case PHOTOMETRIC_MINISWHITE:
      case PHOTOMETRIC_MINISBLACK: {
        const std::uint32_t white = header_.bits == 8 ? 255 : 65535;
        std::uint32_t value = sample(pixel, 0);
        if (header_.photometric == PHOTOMETRIC_MINISWHITE) value = white - value;
        if (header_.bits == 16)
          value = header_.samples == 1 ? gray8_of(value, gray16_) : value >> 8;
        return set_gray(out, value);
      }
      case PHOTOMETRIC_PALETTE:
        for (std::size_t c = 0; c < 3; ++c)
          out[c] = static_cast<std::uint8_t>(colour_map_[c][sample(pixel, 0)] >> 8);
        return;
      case PHOTOMETRIC_SEPARATED:
        for (std::size_t c = 0; c < 3; ++c)
          out[c] = light_of_ink(sample8(pixel, c), sample8(pixel, 3));
        return;
      default:
        convert_rgb(pixel, out);
    }
  }

  void convert_rgb(std::size_t pixel, std::uint8_t* out) const {
    const std::uint32_t alpha = header_.associated_alpha ? sample8(pixel, 3) : 255;
    for (std::size_t c = 0; c < 3; ++c) {
      const std::uint32_t value = sample8(pixel, c);
      out[c] = static_cast<std::uint8_t>(alpha == 0 ? 0 : std::min(value * 255 / alpha, 255U));
    }
  }

  const TiffFile& file_;
  const TiffHeader& header_;
  Gray16 gray16_;
  Blocks blocks_;
  bool separate_ = false;
  std::array<std::uint16_t*, 3> colour_map_{};
  std::vector<std::vector<std::uint8_t>> channels_;  // of a block; one if they are interleaved
};

Image read_by_libtiff(const TiffFile& file) {
  TIFF* tiff = file.handle();
  const TiffHeader& header = file.header();
  TIFFSetField(tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);  // turned later, all eight ways
  Image image = make_image(header.width, header.height);
  std::vector<std::uint32_t> raster(std::size_t{header.width} * header.height);
  if (TIFFReadRGBAImageOriented(tiff, header.width, header.height, raster.data(),
                                ORIENTATION_TOPLEFT, 1) == 0)
    file.fail();
  std::uint8_t* out = image.rgb.data();
  for (const std::uint32_t pixel : raster) {
    *out++ = static_cast<std::uint8_t>(TIFFGetR(pixel));
    *out++ = static_cast<std::uint8_t>(TIFFGetG(pixel));
    *out++ = static_cast<std::uint8_t>(TIFFGetB(pixel));
  }
  return image;
}

// Of the JPEGs in all blocks: libtiff hands each to libjpeg.
DecodingCost cost_of_jpegs(const TiffFile& file, std::uint32_t blocks) {
  DecodingCost all;
  for (std::uint32_t block = 0; block < blocks && all.work <= maximum_work; ++block) {
    const std::uint64_t offset = TIFFGetStrileOffset(file.handle(), block);
    if (offset >= file.bytes().size()) continue;
    const std::uint64_t bytes = TIFFGetStrileByteCount(file.handle(), block);
    const std::uint64_t rest = file.bytes().size() - offset;
    const DecodingCost one = inspect_jpeg(file.bytes().subspan(offset, std::min(bytes, rest)));
    all.bytes = std::max(all.bytes, one.bytes);
    all.work += one.work;
  }
  return all;
}

DecodingCost cost_of(const TiffFile& file) {
  const TiffHeader& header = file.header();
  TIFF* tiff = file.handle();
  const bool is_read_here = samples_are_read_here(file);
  const bool is_separate = header.planar == PLANARCONFIG_SEPARATE;
  const Blocks blocks = blocks_of(file);
  const std::uint64_t pixels = std::uint64_t{header.width} * header.height;
  DecodingCost cost;
  if (header.compression == COMPRESSION_JPEG) cost = cost_of_jpegs(file, blocks.count);
  cost.width = header.width;
  cost.height = header.height;
  // The image, turned, in libtiff's words of 4 bytes; a block of each channel; the tags.
  cost.bytes += (2 * 3 + (is_read_here ? 0 : 4)) * pixels +
                blocks.bytes * (is_separate ? header.samples : 1) +
                32 * std::uint64_t{blocks.count} + 2 * file.tag_bytes() + fixed_decoder_bytes;
  std::uint16_t fill_order = FILLORDER_MSB2LSB;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_FILLORDER, &fill_order);
  if (fill_order != FILLORDER_MSB2LSB)
    cost.bytes += file.bytes().size();  // a block, its bits turned
  cost.work += header.compression == COMPRESSION_NONE
                   ? blocks.count * (raw_block_work + raw_byte_work * blocks.bytes)
                   : blocks.count * (packed_block_work + packed_byte_work * blocks.bytes);
  cost.work += (is_read_here ? pixel_work : libtiff_pixel_work) * pixels;
  return cost;
}

// With an open TIFF. What goes wrong when memory runs out says nothing about the file.
template <typename Use>
auto use_tiff(Bytes bytes, Use use) {
  // libtiff 4.5 crashes where it finds no memory for the few hundred bytes of a codec's state.
  void* volatile spare = std::malloc(fixed_decoder_bytes);
  if (spare == nullptr) throw std::bad_alloc();
  std::free(spare);
  Stream stream{bytes};
  errno = 0;
  try {
    auto result = use(TiffFile(stream));
    if (stream.is_out_of_memory) throw std::bad_alloc();  // a tag may be missing
    return result;
  } catch (const BadImage&) {
    if (stream.is_out_of_memory || errno == ENOMEM) throw std::bad_alloc();
    throw;
  }
}

}  // namespace

DecodingCost inspect_tiff(Bytes bytes) {
  return use_tiff(bytes, [](const TiffFile& file) {
    check_kind(file);
    return cost_of(file);
  });
}

Image decode_tiff(Bytes bytes, const DecodeOptions& options) {
  return use_tiff(bytes, [&](const TiffFile& file) {
    check_kind(file);
    Image image = samples_are_read_here(file) ? SampleReader(file, options.gray16).read()
                                              : read_by_libtiff(file);
    return upright(std::move(image), file.header().orientation);
  });
}

}  // namespace graft::image
