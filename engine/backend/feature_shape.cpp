#include <fmt/format.h>

#include "engine/backend/backend.h"
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

}  // namespace graft
