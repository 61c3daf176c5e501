#include "bench/cases/photos.h"

#include <fmt/format.h>

#include <cmath>
#include <random>

#include "bench/cases/jpeg_writer.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/features/features.h"

namespace graft::bench {
namespace {

// The size of photos of a pet data set (500×374): soft shapes and a little noise from the seed. As
// JPEG, they have such photos' sampling (4:2:0) and about their bits a pixel, which determine the
// decoding time.
Image generated_image(std::uint32_t seed) {
  constexpr std::uint32_t width = 500, height = 374;
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> angle(0.0F, 6.28F);
  const float turn = angle(generator), shift = angle(generator);
  Image image{width, height, {}};
  image.rgb.reserve(std::size_t{width} * height * 3);
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      const float u =
          std::cos(turn) * static_cast<float>(x) + std::sin(turn) * static_cast<float>(y);
      const float v =
          std::cos(turn) * static_cast<float>(y) - std::sin(turn) * static_cast<float>(x);
      const float shapes = 60.0F * std::sin(u / 90.0F + shift) + 30.0F * std::sin(v / 17.0F) +
                           12.0F * std::sin(u / 5.0F) * std::sin(v / 4.0F);
      for (const float colour : {130.0F, 115.0F, 95.0F}) {
        const auto noise = static_cast<float>(generator() % 13) - 6.0F;
        const float value = colour + shapes + noise;
        image.rgb.push_back(static_cast<std::uint8_t>(std::fmin(std::fmax(value, 0.0F), 255.0F)));
      }
    }
  }
  return image;
}

std::filesystem::path photos_folder(const BenchSetup& setup) {
  constexpr std::uint32_t count = 32;
  if (!setup.config.data.train.empty()) return setup.config.data.train;
  std::filesystem::path folder = setup.scratch() / "photos";
  if (std::filesystem::exists(folder)) return folder;
  const std::filesystem::path unfinished = setup.scratch() / "photos.partial";
  make_folder(unfinished);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::vector<std::byte> photo = jpeg_file(generated_image(i + 1), {});
    write_file_whole(unfinished / fmt::format("photo.{}.jpg", i),
                     {reinterpret_cast<const char*>(photo.data()), photo.size()});
  }
  std::filesystem::rename(unfinished, folder);
  return folder;
}

}  // namespace

Photos photos_of(const BenchSetup& setup) {
  Photos photos;
  photos.folder = photos_folder(setup);
  SilentObserver observer;
  photos.files = list_images(photos.folder, observer);
  return photos;
}

}  // namespace graft::bench
