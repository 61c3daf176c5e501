#include "kernels/cpu/convolution_shape.h"

#include <stdexcept>

#include "kernels/cpu/gemm.h"

namespace graft::cpu {

std::size_t ConvolutionShape::output_height() const {
  return pooled ? height / 2 : height;
}
std::size_t ConvolutionShape::output_width() const {
  return pooled ? width / 2 : width;
}

void ConvolutionShape::check() const {
  if (output_height() == 0 || output_width() == 0) {
    throw std::invalid_argument("a convolution needs a plane with outputs");
  }
  if (inputs == 0 || outputs == 0 || inputs % channel_block != 0 || outputs % channel_block != 0) {
    throw std::invalid_argument("the channels of a convolution come in blocks of 16");
  }
}

}  // namespace graft::cpu
