// The one translation unit with stb_image in it.

#include "engine/image/stb_png.h"

#include <cstdlib>
#include <string>

namespace {

// stb_image's inflate doubles its buffer for as long as there is data, whatever the dimensions say.
// Its allocator takes no context, so the bound of the running call stands here.
thread_local std::size_t stb_largest_allocation = 0;

void* stb_bounded_realloc(void* block, std::size_t size) {
  return size > stb_largest_allocation ? nullptr : std::realloc(block, size);
}

}  // namespace

#define STBI_MALLOC(size) stb_bounded_realloc(nullptr, size)
#define STBI_REALLOC(block, size) stb_bounded_realloc(block, size)
#define STBI_FREE(block) std::free(block)
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS (1 << 24)
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wsign-compare"
#include <stb_image.h>
#pragma GCC diagnostic pop

namespace graft::image {

namespace {

template <typename Sample, typename Load>
std::unique_ptr<Sample, FreeStb> load_bounded(Load load, Bytes png, std::size_t largest_allocation,
                                              int channels) {
  stb_largest_allocation = largest_allocation;
  int width = 0;
  int height = 0;
  int channels_in_file = 0;
  std::unique_ptr<Sample, FreeStb> pixels(load(data_of(png), static_cast<int>(png.size()), &width,
                                               &height, &channels_in_file, channels));
  if (!pixels) {
    throw BadImage("the PNG cannot be decoded: " + std::string(stbi_failure_reason()));
  }
  return pixels;
}

}  // namespace

void FreeStb::operator()(void* pixels) const {
  std::free(pixels);
}

std::unique_ptr<std::uint8_t, FreeStb> stb_decode_rgb(Bytes png, std::size_t largest_allocation) {
  return load_bounded<std::uint8_t>(stbi_load_from_memory, png, largest_allocation, 3);
}

std::unique_ptr<std::uint16_t, FreeStb> stb_decode_gray16(Bytes png,
                                                          std::size_t largest_allocation) {
  return load_bounded<std::uint16_t>(stbi_load_16_from_memory, png, largest_allocation, 1);
}

}  // namespace graft::image
