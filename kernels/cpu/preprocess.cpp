#include "kernels/cpu/preprocess.h"

namespace graft::cpu {

void preprocess(const PixelTables& tables, const PreprocessImage& image) {
  const std::uint8_t* pixel = image.rgb;
  for (std::size_t y = 0; y < image.height; ++y) {
    float* output = image.output + ((y + 1) * (image.width + 2) + 1) * 3;
    for (std::size_t x = 0; x < image.width; ++x, pixel += 3, output += 3) {
      output[0] = tables.value[0][pixel[tables.source[0]]];
      output[1] = tables.value[1][pixel[tables.source[1]]];
      output[2] = tables.value[2][pixel[tables.source[2]]];
    }
  }
}

}  // namespace graft::cpu
