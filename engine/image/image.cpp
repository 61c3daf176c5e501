// The format of a file, by its first bytes, and the call of that format's reader.

#include "engine/image/image.h"

#include <array>

#include "engine/base/text.h"
#include "engine/image/formats.h"

namespace graft {
namespace image {
namespace {

constexpr std::uint64_t maximum_side = std::uint64_t{1} << 24;  // float holds it exactly

struct Reader {
  DecodingCost (*inspect)(Bytes);
  Image (*decode)(Bytes, const DecodeOptions&);
};

constexpr Reader pnm_reader = {inspect_pnm, decode_pnm};
constexpr Reader tiff_reader = {inspect_tiff, decode_tiff};

struct Signature {
  std::string_view bytes;
  std::size_t offset;
  Reader reader;
};

using namespace std::string_view_literals;

constexpr std::array signatures = {
    Signature{"\xFF\xD8\xFF"sv, 0, {inspect_jpeg, decode_jpeg}},
    Signature{"\x89PNG\r\n\x1A\n"sv, 0, {inspect_png, decode_png}},
    Signature{"WEBPVP8"sv, 8, {inspect_webp, decode_webp}},
    Signature{"GIF87a"sv, 0, {inspect_gif, decode_gif}},
    Signature{"GIF89a"sv, 0, {inspect_gif, decode_gif}},
    Signature{"BM"sv, 0, {inspect_bmp, decode_bmp}},
    Signature{"II*\0"sv, 0, tiff_reader},
    Signature{"MM\0*"sv, 0, tiff_reader},
    Signature{"II+\0"sv, 0, tiff_reader},
    Signature{"MM\0+"sv, 0, tiff_reader},
};

// Formats that are not read: the command that converts a file, and its package in Debian.
struct Converter {
  std::string_view extension, command, package;
};

constexpr std::array converters = {
    Converter{".avif", "avifdec IN OUT.png", "libavif-bin"},
    Converter{".heic", "heif-convert IN OUT.png", "libheif-examples"},
    Converter{".heif", "heif-convert IN OUT.png", "libheif-examples"},
    Converter{".j2k", "opj_decompress -i IN -o OUT.png", "libopenjp2-tools"},
    Converter{".jp2", "opj_decompress -i IN -o OUT.png", "libopenjp2-tools"},
    Converter{".jxl", "djxl IN OUT.png", "libjxl-tools"},
};

// Other kinds of files that are found under the name of an image.
struct OtherKind {
  std::string_view bytes;
  std::size_t offset;
  std::string_view name;
  std::string_view extension = {};  // of a format with a converter
};

constexpr std::array other_kinds = {
    OtherKind{"ftypavi"sv, 4, "an AVIF image", ".avif"},
    OtherKind{"ftyphe"sv, 4, "a HEIC or HEIF image", ".heic"},
    OtherKind{"ftypmif1"sv, 4, "a HEIC or HEIF image", ".heic"},
    OtherKind{"ftypmsf1"sv, 4, "a HEIC or HEIF image", ".heic"},
    OtherKind{"\0\0\0\x0CjP  "sv, 0, "a JPEG 2000 image", ".jp2"},
    OtherKind{"\xFF\x4F\xFF\x51"sv, 0, "a JPEG 2000 image", ".jp2"},
    OtherKind{"\0\0\0\x0CJXL "sv, 0, "a JPEG XL image", ".jxl"},
    OtherKind{"\xFF\x0A"sv, 0, "a JPEG XL image", ".jxl"},
    OtherKind{"%PDF"sv, 0, "a PDF document"},
    OtherKind{"PK\x03\x04"sv, 0, "a zip archive"},
    OtherKind{"\x1F\x8B"sv, 0, "a gzip file"},
    OtherKind{"version https://git-lfs"sv, 0, "a Git LFS pointer (run: git lfs pull)"},
};

// Whether the file has these bytes at this offset.
bool has(std::string_view start, std::string_view bytes, std::size_t offset) {
  return start.size() > offset && start.substr(offset).starts_with(bytes);
}

bool is_text(std::string_view start) {
  return std::all_of(start.begin(), start.end(), [](char c) {
    return is_space(c) || (static_cast<unsigned char>(c) >= ' ' && c != '\x7F');
  });
}

std::string what_it_looks_like(Bytes file) {
  const std::string_view start = text_of(file).substr(0, 512);
  for (const OtherKind& kind : other_kinds) {
    if (!has(start, kind.bytes, kind.offset)) continue;
    const std::string advice = conversion_advice(kind.extension);
    return fmt::format("it starts like {}{}{}", kind.name, advice.empty() ? "" : "; ", advice);
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

const Reader& reader_of(Bytes file) {
  const std::string_view start = text_of(file);
  for (const Signature& signature : signatures) {
    if (has(start, signature.bytes, signature.offset)) return signature.reader;
  }
  const bool netpbm = start.size() >= 3 && start[0] == 'P' && start[1] >= '1' && start[1] <= '6' &&
                      (is_space(start[2]) || start[2] == '#');
  if (netpbm) return pnm_reader;
  refuse("not a JPEG, PNG, WebP, GIF, BMP, PNM or TIFF image: {}", what_it_looks_like(file));
}

}  // namespace

void check_dimensions(std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0)
    refuse("the header claims an empty image ({} x {})", width, height);
  if (width > maximum_side || height > maximum_side || width * height > maximum_pixels) {
    refuse(
        "the header claims {} x {} pixels, more than the limit of {} pixels (could be a "
        "decompression bomb)",
        width, height, maximum_pixels);
  }
}

void check_length(std::uint64_t have, std::uint64_t need, std::uint64_t width,
                  std::uint64_t height) {
  if (have >= need) return;
  refuse("the file is truncated: it has {} bytes and a {} x {} image needs {}", have, width, height,
         need);
}

DecodingCost raw_cost(std::uint64_t width, std::uint64_t height) {
  return {static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height),
          3 * width * height + fixed_decoder_bytes, 6 * width * height};
}

Image make_image(std::uint64_t width, std::uint64_t height) {
  check_dimensions(width, height);
  return {static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height),
          std::vector<std::uint8_t>(width * height * 3)};
}

}  // namespace image

std::string conversion_advice(std::string_view extension) {
  for (const image::Converter& converter : image::converters)
    if (converter.extension == extension)
      return fmt::format("convert it: {} (Debian: {})", converter.command, converter.package);
  return "";
}

void check_first_bytes(std::span<const std::byte> start, std::uint64_t file_bytes) {
  if (file_bytes == 0) image::refuse("the file is empty");
  if (file_bytes > maximum_image_file_bytes) {
    image::refuse("the file has {} bytes, more than the limit of {}", file_bytes,
                  maximum_image_file_bytes);
  }
  image::reader_of(start);
}

DecodingCost inspect_image(std::span<const std::byte> file) {
  check_first_bytes(file, file.size());
  const DecodingCost cost = image::reader_of(file).inspect(file);
  if (cost.work > maximum_work) {
    image::refuse("its {} x {} pixels would take too long to decode; save it again, as PNG",
                  cost.width, cost.height);
  }
  return cost;
}

Image decode_inspected_image(std::span<const std::byte> file, const DecodeOptions& options) {
  return image::reader_of(file).decode(file, options);
}

Image decode_image(std::span<const std::byte> file, const DecodeOptions& options) {
  inspect_image(file);
  return decode_inspected_image(file, options);
}

}  // namespace graft
