#include "tests/kernels/convolution_case.h"

#include <cmath>

#include "tests/reference/convolution.h"
#include "tests/support/support.h"

namespace graft::test {

ConvolutionCase::ConvolutionCase(const cpu::ConvolutionShape& shape_, std::size_t images_)
    : shape(shape_),
      images(images_),
      input(normal_values(images * input_size(), 1)),
      kernel(normal_values(9 * shape.inputs * shape.outputs, 2,
                           std::sqrt(2.0 / (9.0 * static_cast<double>(shape.inputs))))),
      bias(normal_values(shape.outputs, 3, 0.1)) {}

ConvolutionCase ConvolutionCase::image(std::size_t index) const {
  ConvolutionCase one = *this;
  one.images = 1;
  const auto first = input.begin() + static_cast<std::ptrdiff_t>(index * input_size());
  one.input.assign(first, first + static_cast<std::ptrdiff_t>(input_size()));
  return one;
}

std::vector<float> ConvolutionCase::plain() const {
  std::vector<float> all;
  for (std::size_t index = 0; index < images; ++index) {
    const std::span one = std::span(input).subspan(index * input_size(), input_size());
    reference::FeatureMap map{shape.height, shape.width, shape.inputs, {one.begin(), one.end()}};
    map = reference::convolution(map, kernel, bias);
    reference::relu(map);
    if (shape.pooled) map = reference::max_pool(map);
    const std::vector<float> values = reference::rounded(map);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

}  // namespace graft::test
