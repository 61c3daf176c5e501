// Which format a file is, by its first bytes alone, and the way to that format's reader.

#include "engine/image/image.h"

#include <array>
#include <cctype>
#include <optional>
#include <string_view>
#include <utility>

#include "engine/image/formats.h"
#include "engine/image/orientation.h"

namespace graft {

namespace image {

namespace {

std::string_view beginning_of(Bytes file, std::size_t length) {
  return {reinterpret_cast<const char*>(file.data()), std::min(length, file.size())};
}

struct Signature {
  std::string_view bytes;
  ImageFormat format;
};

using namespace std::string_view_literals;

constexpr std::array signatures = {
    Signature{"\xFF\xD8\xFF"sv, ImageFormat::jpeg},
    Signature{"\x89PNG\r\n\x1A\n"sv, ImageFormat::png},
    Signature{"BM"sv, ImageFormat::bmp},
    Signature{"II*\0"sv, ImageFormat::tiff},
    Signature{"MM\0*"sv, ImageFormat::tiff},
    Signature{"II+\0"sv, ImageFormat::tiff},
    Signature{"MM\0+"sv, ImageFormat::tiff},
};

// What people find under an image's name and what to call it.
struct Stranger {
  std::string_view bytes;
  std::size_t offset;
  std::string_view name;
};

constexpr std::array strangers = {
    Stranger{"GIF8"sv, 0, "a GIF image"},
    Stranger{"WEBP"sv, 8, "a WebP image"},
    Stranger{"ftypavif"sv, 4, "an AVIF image"},
    Stranger{"ftyphei"sv, 4, "a HEIC image"},
    Stranger{"ftypmif1"sv, 4, "a HEIF image"},
    Stranger{"\0\0\0\x0CjP  "sv, 0, "a JPEG 2000 image"},
    Stranger{"%PDF"sv, 0, "a PDF document"},
    Stranger{"PK\x03\x04"sv, 0, "a zip archive"},
    Stranger{"\x1F\x8B"sv, 0, "a gzip file"},
    Stranger{"version https://git-lfs"sv, 0, "a Git LFS pointer (run: git lfs pull)"},
};

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

std::optional<ImageFormat> format_of(Bytes file) {
  const std::string_view start = beginning_of(file, 8);
  for (const Signature& signature : signatures) {
    if (start.starts_with(signature.bytes)) return signature.format;
  }
  const bool netpbm = start.size() >= 3 && start[0] == 'P' && start[1] >= '1' && start[1] <= '6' &&
                      (is_space(start[2]) || start[2] == '#');
  if (netpbm) return ImageFormat::pnm;
  return std::nullopt;
}

bool is_text(std::string_view start) {
  return std::all_of(start.begin(), start.end(), [](char c) {
    return is_space(c) || (static_cast<unsigned char>(c) >= ' ' && c != '\x7F');
  });
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

std::string what_it_looks_like(Bytes file) {
  const std::string_view start = beginning_of(file, 512);
  for (const Stranger& stranger : strangers) {
    if (start.size() > stranger.offset &&
        start.substr(stranger.offset).starts_with(stranger.bytes)) {
      return "it starts like " + std::string(stranger.name);
    }
  }
  std::string_view words = start;
  while (!words.empty() && is_space(words.front())) words.remove_prefix(1);
  const std::string tag = lower_case(words.substr(0, 16));
  if (tag.starts_with("<!doctype html") || tag.starts_with("<html")) {
    return "it starts like an HTML page, perhaps the answer to a failed download";
  }
  if (tag.starts_with("<?xml") || tag.starts_with("<svg")) return "it starts like XML or SVG";
  if (start.find_first_not_of('\0') == std::string_view::npos) return "it starts with zero bytes";
  if (is_text(start)) return "it starts like text";
  return "its first bytes belong to none of them";
}

ImageFormat require_format(Bytes file) {
  if (file.empty()) throw BadImage("the file is empty");
  if (file.size() > maximum_image_file_bytes) {
    throw BadImage("the file has " + std::to_string(file.size()) +
                   " bytes, more than the limit of " + std::to_string(maximum_image_file_bytes));
  }
  if (const auto format = format_of(file)) return *format;
  throw BadImage("not a JPEG, PNG, BMP, PNM or TIFF image: " + what_it_looks_like(file));
}

}  // namespace

void check_dimensions(std::uint64_t width, std::uint64_t height) {
  const std::string size = std::to_string(width) + " x " + std::to_string(height);
  if (width == 0 || height == 0) throw BadImage("the header claims an empty image (" + size + ")");
  if (width > maximum_side || height > maximum_side || width * height > maximum_pixels) {
    throw BadImage("the header claims " + size + " pixels, more than the limit of " +
                   std::to_string(maximum_pixels) + " pixels (could be a decompression bomb)");
  }
}

Image make_image(std::uint64_t width, std::uint64_t height) {
  check_dimensions(width, height);
  Image image;
  image.width = static_cast<std::uint32_t>(width);
  image.height = static_cast<std::uint32_t>(height);
  image.rgb.resize(width * height * 3);
  return image;
}

Image decode_upright_jpeg(Bytes file, std::optional<ImageSize> shrink_towards, int orientation) {
  if (shrink_towards && is_on_its_side(orientation))
    std::swap(shrink_towards->height, shrink_towards->width);
  return upright(decode_jpeg(file, shrink_towards), orientation);
}

void throw_truncated(std::uint64_t have, std::uint64_t need, std::uint64_t width,
                     std::uint64_t height) {
  throw BadImage("the file is truncated: it has " + std::to_string(have) + " bytes and a " +
                 std::to_string(width) + " x " + std::to_string(height) + " image needs " +
                 std::to_string(need));
}

}  // namespace image

ImageInfo inspect_image(std::span<const std::byte> file) {
  switch (image::require_format(file)) {
    case ImageFormat::jpeg:
      return image::inspect_jpeg(file);
    case ImageFormat::png:
      return image::inspect_png(file);
    case ImageFormat::bmp:
      return image::inspect_bmp(file);
    case ImageFormat::pnm:
      return image::inspect_pnm(file);
    case ImageFormat::tiff:
      return image::inspect_tiff(file);
  }
  throw BadImage("unknown format");
}

Image decode_image(std::span<const std::byte> file, const DecodeOptions& options) {
  const auto orientation = [&](image::Bytes (*exif_of)(image::Bytes)) {
    return options.exif_orientation ? image::orientation_of(exif_of(file)) : 1;
  };
  switch (image::require_format(file)) {
    case ImageFormat::jpeg:
      return image::decode_upright_jpeg(file, options.shrink_towards,
                                        orientation(image::exif_of_jpeg));
    case ImageFormat::png:
      return image::upright(image::decode_png(file, options.gray16),
                            orientation(image::exif_of_png));
    case ImageFormat::bmp:
      return image::decode_bmp(file);
    case ImageFormat::pnm:
      return image::decode_pnm(file, options.gray16);
    case ImageFormat::tiff:
      return image::decode_tiff(file, options.gray16);
  }
  throw BadImage("unknown format");
}

}  // namespace graft
