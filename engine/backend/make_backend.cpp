#include <fmt/format.h>

#include "engine/backend/backend.h"
#include "engine/backend/cpu/cpu_backend.h"
#include "engine/backend/cuda_devices.h"
#include "engine/base/error.h"

namespace graft {

FeatureShape vgg16_feature_shape(ImageSize image) {
  constexpr std::uint32_t least = 32;
  if (image.height < least || image.width < least) {
    throw Error(
        ErrorKind::usage,
        fmt::format("Images of {}×{} are too small for VGG16, which halves them five times; "
                    "data.image_size must be at least [32, 32].",
                    image.height, image.width));
  }
  return {image.height / least, image.width / least, vgg16_layers.back().output_channels};
}

std::unique_ptr<Backend> make_backend(const std::string& device, std::size_t threads) {
  if (device == "cpu" || device == "auto") return std::make_unique<cpu::CpuBackend>(threads);
  if (device == "cuda") {
    throw Error(ErrorKind::device,
                fmt::format("\"device\": \"cuda\" cannot be used: {}. Choose \"cpu\" or \"auto\".",
                            why_no_cuda()));
  }
  throw Error(
      ErrorKind::usage,
      fmt::format("There is no device \"{}\"; choose \"cpu\", \"cuda\" or \"auto\".", device));
}

}  // namespace graft
