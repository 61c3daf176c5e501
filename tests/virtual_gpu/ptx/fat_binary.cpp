// Layout: wrapper {u32 0x466243B1, u32 version, data, …}; data {u32 0xBA55ED50, u16 version, u16
// header bytes, u64 payload bytes}, then entries, each with a header of its own size and a padded
// payload.

#include "ptx/fat_binary.h"

#include <zstd.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>

namespace vgpu {
namespace {

constexpr std::uint64_t kZstd = 0x8000;
constexpr std::uint64_t kLz4 = 0x2000;

template <class T>
T field(const std::byte* at, std::size_t offset) {
  T value;
  std::memcpy(&value, at + offset, sizeof value);
  return value;
}

std::string decompress(const std::byte* data, std::size_t compressed, std::size_t size) {
  std::string text(size, '\0');
  const std::size_t got = ZSTD_decompress(text.data(), size, data, compressed);
  if (ZSTD_isError(got) != 0 || got != size)
    throw std::runtime_error("the PTX in the fat binary does not decompress");
  return text;
}

Image read_entry(const std::byte* entry) {
  constexpr std::uint16_t kPtx = 1;
  Image image;
  image.is_ptx = field<std::uint16_t>(entry, 0) == kPtx;
  image.architecture = static_cast<int>(field<std::uint32_t>(entry, 28));
  if (!image.is_ptx) return image;
  const std::byte* payload = entry + field<std::uint32_t>(entry, 4);
  const auto compressed = field<std::uint32_t>(entry, 16);
  const auto flags = field<std::uint64_t>(entry, 40);
  if ((flags & kLz4) != 0)
    throw std::runtime_error(
        "the PTX is compressed with --compress-mode=speed, which is not known here; compile with "
        "nvcc's default or with --no-compress");
  if (compressed != 0 && (flags & kZstd) != 0)
    image.text = decompress(payload, compressed, field<std::uint64_t>(entry, 56));
  else
    image.text.assign(reinterpret_cast<const char*>(payload), field<std::uint64_t>(entry, 8));
  return image;
}

}  // namespace

std::vector<Image> read_fat_binary(const void* wrapper) {
  const auto* outer = static_cast<const std::byte*>(wrapper);
  if (field<std::uint32_t>(outer, 0) != 0x466243B1)
    throw std::runtime_error("no fat binary: its first word is not 0x466243B1");
  const auto* data = field<const std::byte*>(outer, 8);
  if (field<std::uint32_t>(data, 0) != 0xBA55ED50)
    throw std::runtime_error("no fat binary: its data do not begin with 0xBA55ED50");
  const std::byte* at = data + field<std::uint16_t>(data, 6);
  const std::byte* end = at + field<std::uint64_t>(data, 8);
  std::vector<Image> images;
  while (at < end) {
    images.push_back(read_entry(at));
    at += field<std::uint32_t>(at, 4) + field<std::uint64_t>(at, 8);
  }
  return images;
}

const Image* choose_ptx(const std::vector<Image>& images, int architecture) {
  const Image* below = nullptr;
  const Image* above = nullptr;
  bool has_sass = false;
  for (const Image& image : images) {
    if (!image.is_ptx)
      has_sass |=
          image.architecture / 10 == architecture / 10 && image.architecture <= architecture;
    else if (image.architecture <= architecture)
      below = below == nullptr || below->architecture < image.architecture ? &image : below;
    else
      above = above == nullptr || above->architecture > image.architecture ? &image : above;
  }
  if (below != nullptr) return below;
  return has_sass ? above : nullptr;
}

}  // namespace vgpu
