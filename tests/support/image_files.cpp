#include "tests/support/image_files.h"

#include <gif_lib.h>
#include <tiffio.h>
#include <webp/encode.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>

#include "bench/cases/jpeg_writer.h"
#include "engine/base/file.h"
#include "tests/support/files.h"
#include "tests/support/support.h"

namespace graft::test {

namespace {

std::byte byte_of(std::uint64_t value) {
  return static_cast<std::byte>(value & 0xFF);
}

void append(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

}  // namespace

Image smooth_image(std::uint32_t width, std::uint32_t height) {
  Image image{width, height, {}};
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      image.rgb.push_back(static_cast<std::uint8_t>(20 + 200 * x / width));
      image.rgb.push_back(static_cast<std::uint8_t>(230 - 200 * y / height));
      image.rgb.push_back(static_cast<std::uint8_t>(30 + 100 * x / width + 100 * y / height));
    }
  }
  return image;
}

Image noise_image(std::uint32_t width, std::uint32_t height) {
  Image image{width, height, {}};
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      for (std::uint32_t c = 0; c < 3; ++c) {
        std::uint32_t value = x * 0x9E3779B1U + y * 0x85EBCA77U + c * 0xC2B2AE3DU;
        value ^= value >> 15;
        value *= 0x2C1B3C6DU;
        value ^= value >> 12;
        image.rgb.push_back(static_cast<std::uint8_t>(value >> 24));
      }
    }
  }
  return image;
}

Bytes bytes_of(std::string_view text) {
  Bytes bytes;
  for (const char c : text) bytes.push_back(static_cast<std::byte>(c));
  return bytes;
}

Bytes bytes_of_hex(std::string_view digits) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes.push_back(
        static_cast<std::byte>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
  return bytes;
}

void append_little_endian(Bytes& bytes, std::uint64_t value, int count) {
  for (int i = 0; i < count; ++i) bytes.push_back(byte_of(value >> (8 * i)));
}

void append_big_endian(Bytes& bytes, std::uint64_t value, int count) {
  for (int i = count - 1; i >= 0; --i) bytes.push_back(byte_of(value >> (8 * i)));
}

Bytes exif_block(int orientation) {
  Bytes block = bytes_of("II*");
  block.push_back(std::byte{0});
  append_little_endian(block, 8, 4);       // the directory's offset
  append_little_endian(block, 1, 2);       // one entry:
  append_little_endian(block, 0x0112, 2);  // orientation,
  append_little_endian(block, 3, 2);       // of type short,
  append_little_endian(block, 1, 4);       // one of them
  append_little_endian(block, static_cast<std::uint64_t>(orientation), 4);
  append_little_endian(block, 0, 4);  // no further directory
  return block;
}

Bytes jpeg_file(const Image& image, const JpegOptions& options) {
  bench::JpegSettings settings{options.quality,
                               options.channels,
                               options.horizontal_sampling,
                               options.vertical_sampling,
                               options.progressive,
                               options.restart_interval,
                               {},
                               options.arithmetic};
  if (options.orientation != 0) {
    settings.exif = bytes_of(std::string_view("Exif\0\0", 6));
    append(settings.exif, exif_block(options.orientation));
  }
  return bench::jpeg_file(image, settings);
}

Bytes png_signature() {
  return bytes_of("\x89PNG\r\n\x1A\n");
}

void append_png_chunk(Bytes& png, std::string_view type, const Bytes& data) {
  append_big_endian(png, data.size(), 4);
  const std::size_t start = png.size();
  append(png, bytes_of(type));
  append(png, data);
  append_big_endian(png,
                    crc32_z(0, reinterpret_cast<const Bytef*>(&png[start]), png.size() - start), 4);
}

Bytes png_file(std::uint32_t width, std::uint32_t height, const Bytes& rows,
               const PngOptions& options) {
  Bytes png = png_signature();
  Bytes header;
  append_big_endian(header, width, 4);
  append_big_endian(header, height, 4);
  for (const int value : {options.depth, options.colour, 0, 0, options.interlaced ? 1 : 0}) {
    header.push_back(static_cast<std::byte>(value));
  }
  append_png_chunk(png, "IHDR", header);
  if (options.orientation != 0) append_png_chunk(png, "eXIf", exif_block(options.orientation));
  if (!options.palette.empty()) append_png_chunk(png, "PLTE", options.palette);
  if (!options.transparency.empty()) append_png_chunk(png, "tRNS", options.transparency);
  uLongf size = compressBound(rows.size());
  Bytes packed(size);
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(rows.data()), rows.size());
  packed.resize(size);
  for (std::size_t at = 0; at < packed.size(); at += options.data_chunk_bytes) {
    const std::size_t end = std::min(at + options.data_chunk_bytes, packed.size());
    append_png_chunk(png, "IDAT", Bytes(&packed[at], packed.data() + end));
  }
  append_png_chunk(png, "IEND", {});
  return png;
}

Bytes png_file(const Image& image) {
  Bytes rows;
  for (std::size_t i = 0; i < image.rgb.size(); ++i) {
    if (i % (image.width * 3) == 0) rows.push_back(std::byte{0});
    rows.push_back(std::byte{image.rgb[i]});
  }
  return png_file(image.width, image.height, rows);
}

Bytes tiff_file(std::uint32_t width, std::uint32_t height, const std::vector<std::uint8_t>& samples,
                const TiffOptions& options) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "image.tif";
  TIFF* tiff = TIFFOpen(path.c_str(), options.big_endian ? "wb" : "wl");
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, width);
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, height);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, options.bits);
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, options.samples);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, options.photometric);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, options.compression);
  if (options.orientation != 0) TIFFSetField(tiff, TIFFTAG_ORIENTATION, options.orientation);
  if (!options.xmp.empty())
    TIFFSetField(tiff, TIFFTAG_XMLPACKET, static_cast<std::uint32_t>(options.xmp.size()),
                 options.xmp.data());
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, options.separate_planes ? 2 : 1);
  const std::vector<std::uint16_t> extra(static_cast<std::size_t>(options.extra_samples),
                                         static_cast<std::uint16_t>(options.extra_sample));
  if (options.extra_sample >= 0)
    TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, options.extra_samples, extra.data());

  const std::size_t sample_bytes = static_cast<std::size_t>(options.bits) / 8;
  const std::size_t channels = options.separate_planes ? 1 : options.samples;
  const std::size_t planes = options.separate_planes ? options.samples : 1;
  const std::uint32_t block_width = options.tile == 0 ? width : options.tile;
  const std::uint32_t block_height = options.tile == 0 ? 7 : options.tile;
  if (options.tile == 0) {
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, block_height);
  } else {
    TIFFSetField(tiff, TIFFTAG_TILEWIDTH, block_width);
    TIFFSetField(tiff, TIFFTAG_TILELENGTH, block_height);
  }
  std::uint32_t index = 0;
  for (std::size_t plane = 0; plane < planes; ++plane) {
    for (std::uint32_t top = 0; top < height; top += block_height) {
      for (std::uint32_t left = 0; left < width; left += block_width) {
        const std::uint32_t rows =
            options.tile == 0 ? std::min(block_height, height - top) : block_height;
        std::vector<std::uint8_t> block(std::size_t{block_width} * rows * channels * sample_bytes);
        for (std::size_t y = 0; y < rows && top + y < height; ++y) {
          for (std::size_t x = 0; x < block_width && left + x < width; ++x) {
            const std::size_t pixel = (top + y) * width + left + x;
            std::memcpy(&block[(y * block_width + x) * channels * sample_bytes],
                        &samples[(pixel * options.samples + plane) * sample_bytes],
                        channels * sample_bytes);
          }
        }
        const auto size = static_cast<tmsize_t>(block.size());
        if (options.tile == 0) {
          TIFFWriteEncodedStrip(tiff, index++, block.data(), size);
        } else {
          TIFFWriteEncodedTile(tiff, index++, block.data(), size);
        }
      }
    }
  }
  TIFFClose(tiff);
  return read_file(path, maximum_image_file_bytes);
}

Bytes bmp_file(const Image& image) {
  const std::size_t stride = (image.width * 3 + 3) / 4 * 4;
  Bytes file = bytes_of("BM");
  append_little_endian(file, 54 + stride * image.height, 4);
  append_little_endian(file, 0, 4);
  append_little_endian(file, 54, 4);  // where the pixels start
  append_little_endian(file, 40, 4);  // bytes of the header from here on
  append_little_endian(file, image.width, 4);
  append_little_endian(file, image.height, 4);
  append_little_endian(file, 1, 2);
  append_little_endian(file, 24, 2);
  file.resize(54);
  for (std::size_t y = image.height; y-- > 0;) {
    const std::size_t start = file.size();
    for (std::size_t x = 0; x < image.width; ++x) {
      const std::uint8_t* pixel = &image.rgb[(y * image.width + x) * 3];
      for (std::size_t c = 3; c-- > 0;) file.push_back(std::byte{pixel[c]});
    }
    file.resize(start + stride);
  }
  return file;
}

Bytes pnm_file(char kind, std::uint32_t width, std::uint32_t height, int maximum,
               const std::vector<std::uint8_t>& samples) {
  std::string header = std::string("P") + kind + "\n# a comment\n" + std::to_string(width) + " " +
                       std::to_string(height) + "\n";
  if (kind != '4') header += std::to_string(maximum) + "\n";
  Bytes file = bytes_of(header);
  for (const std::uint8_t sample : samples) file.push_back(std::byte{sample});
  return file;
}

Bytes webp_file(const Image& image, int quality, bool with_alpha) {
  const std::size_t channels = with_alpha ? 4 : 3;
  std::vector<std::uint8_t> pixels;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    pixels.insert(pixels.end(), &image.rgb[i], &image.rgb[i] + 3);
    if (with_alpha) pixels.push_back(image.rgb[i]);
  }
  const auto encode = with_alpha ? &WebPEncodeRGBA : &WebPEncodeRGB;
  const auto encode_lossless = with_alpha ? &WebPEncodeLosslessRGBA : &WebPEncodeLosslessRGB;
  const int width = static_cast<int>(image.width), height = static_cast<int>(image.height);
  const int stride = width * static_cast<int>(channels);
  std::uint8_t* output = nullptr;
  const std::size_t size =
      quality < 0
          ? encode_lossless(pixels.data(), width, height, stride, &output)
          : encode(pixels.data(), width, height, stride, static_cast<float>(quality), &output);
  const std::unique_ptr<std::uint8_t, decltype(&WebPFree)> owner(output, &WebPFree);
  return bytes_of({reinterpret_cast<const char*>(output), size});
}

Bytes webp_of(const std::vector<std::pair<std::string_view, Bytes>>& chunks) {
  Bytes body = bytes_of("WEBP");
  const auto append = [](Bytes& target, const Bytes& more) {
    target.insert(target.end(), more.begin(), more.end());
  };
  for (const auto& [type, data] : chunks) {
    append(body, bytes_of(type));
    append_little_endian(body, data.size(), 4);
    append(body, data);
    body.resize((body.size() + 1) / 2 * 2);
  }
  Bytes webp = bytes_of("RIFF");
  append_little_endian(webp, body.size(), 4);
  append(webp, body);
  return webp;
}

Bytes gif_file(const Image& image, bool is_interlaced) {
  Bytes file;
  const auto write = [](GifFileType* gif, const GifByteType* bytes, int count) {
    append(*static_cast<Bytes*>(gif->UserData),
           bytes_of({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(count)}));
    return count;
  };
  std::array<GifColorType, 256> colours{};
  for (std::size_t i = 0; i < colours.size(); ++i) {
    const auto gray = static_cast<GifByteType>(i);
    colours[i] = {gray, gray, gray};
  }
  ColorMapObject* map = GifMakeMapObject(256, colours.data());
  GifFileType* gif = EGifOpen(&file, write, nullptr);
  const int width = static_cast<int>(image.width), height = static_cast<int>(image.height);
  EGifPutScreenDesc(gif, width, height, 8, 0, map);
  EGifPutImageDesc(gif, 0, 0, width, height, is_interlaced, nullptr);
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) EGifPutPixel(gif, image.rgb[i]);
  EGifCloseFile(gif, nullptr);
  GifFreeMapObject(map);
  return file;
}

Bytes png_bytes(unsigned seed) {
  std::mt19937 random(seed);
  Image image{40, 36, std::vector<std::uint8_t>(std::size_t{40} * 36 * 3)};
  for (std::uint8_t& value : image.rgb) value = static_cast<std::uint8_t>(random());
  return png_file(image);
}

Bytes png_with_damaged_pixels(unsigned seed) {
  Bytes png = png_bytes(seed);
  for (std::size_t i = png.size() / 2; i < png.size() / 2 + 8; ++i) png[i] ^= std::byte{0x5A};
  return png;
}

void write_png(const std::filesystem::path& path, unsigned seed) {
  write_bytes(path, png_bytes(seed));
}

void write_photo(const std::filesystem::path& path, unsigned seed, int red, int green, int blue) {
  constexpr std::uint32_t side = 40;
  std::minstd_rand random(seed + 1);
  Image image{side, side, {}};
  for (std::uint32_t i = 0; i < side * side; ++i) {
    for (const int colour : {red, green, blue}) {
      const int value = colour + static_cast<int>(random() % 81) - 40;
      image.rgb.push_back(static_cast<std::uint8_t>(std::clamp(value, 0, 255)));
    }
  }
  write_bytes(path, png_file(image));
}

}  // namespace graft::test
