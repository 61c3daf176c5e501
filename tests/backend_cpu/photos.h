#pragma once
// Photos and their features by the backbone on the CPU.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/backend/cpu/cpu_backend.h"
#include "tests/backend_cpu/random_network.h"

namespace graft::test {

inline const Vgg16Weights& weights() {
  static const Vgg16Weights made = random_vgg16(7);
  return made;
}

struct Photos {
  ImageSize size;
  std::size_t count;
  std::vector<std::uint8_t> rgb;
  std::size_t image_bytes() const { return std::size_t{size.height} * size.width * 3; }
};

inline Photos random_photos(ImageSize size, std::size_t count) {
  Photos photos{size, count, {}};
  photos.rgb = random_pixels(count * photos.image_bytes(), 11);
  return photos;
}

inline BackboneOptions options_for(
    const Photos& photos, std::size_t batch_size,
    ConvolutionAlgorithm algorithm = ConvolutionAlgorithm::automatic) {
  BackboneOptions options;
  options.image_size = photos.size;
  options.batch_size = batch_size;
  options.algorithm = algorithm;
  return options;
}

// All features, in batches of at most options.batch_size.
inline std::vector<float> features(cpu::CpuBackend& backend, const Vgg16Weights& network,
                                   const Photos& photos, const BackboneOptions& options) {
  const std::size_t batch_size = options.batch_size;
  const auto backbone = backend.make_backbone(network, options);
  const std::size_t values = vgg16_feature_shape(photos.size, options.features).count();
  const HostBuffer images = backend.allocate_host(batch_size * photos.image_bytes());
  const HostBuffer results = backend.allocate_host(batch_size * values * sizeof(float));
  std::vector<float> all;
  for (std::size_t first = 0; first < photos.count; first += batch_size) {
    const std::size_t count = std::min(batch_size, photos.count - first);
    const auto from =
        photos.rgb.begin() + static_cast<std::ptrdiff_t>(first * photos.image_bytes());
    std::copy_n(from, count * photos.image_bytes(), images.as<std::uint8_t>().begin());
    backbone->wait(backbone->submit(images.as<const std::uint8_t>(), count, results.as<float>()));
    const std::span<const float> rows = results.as<float>();
    all.insert(all.end(), rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(count * values));
  }
  return all;
}

inline std::vector<float> features(cpu::CpuBackend& backend, const Vgg16Weights& network,
                                   const Photos& photos, std::size_t batch_size) {
  return features(backend, network, photos, options_for(photos, batch_size));
}

}  // namespace graft::test
