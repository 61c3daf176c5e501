// The filters, sampled and normalised in double in Pillow's order, then rounded.

#include "engine/image/resize_pass.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace graft::image {
namespace {

double bilinear(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) {
  return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

struct Kernel {
  double (*weight)(double);
  double support;  // half of the width, in source pixels when nothing is reduced
};

Kernel kernel_of(Resize filter) {
  if (filter == Resize::bicubic) return {bicubic, 2.0};
  if (filter == Resize::lanczos) return {lanczos, 3.0};
  return {bilinear, 1.0};
}

std::int32_t fixed_point(double weight) {
  const double scaled = weight * (1 << fraction_bits);
  return static_cast<std::int32_t>(weight < 0 ? scaled - 0.5 : scaled + 0.5);
}

}  // namespace

Weights weights_of(Resize filter, std::uint32_t in_size, std::uint32_t out_size) {
  const Kernel kernel = kernel_of(filter);
  const double scale = static_cast<double>(in_size) / out_size;
  const double filter_scale = std::max(scale, 1.0);  // a reduction widens the filter
  const double support = kernel.support * filter_scale;
  const double inverse = 1.0 / filter_scale;

  Weights weights;
  weights.stride = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
  weights.first.resize(out_size);
  weights.count.resize(out_size);
  weights.weight.resize(weights.stride * out_size);
  std::vector<double> exact(weights.stride);
  for (std::uint32_t i = 0; i < out_size; ++i) {
    const double centre = (i + 0.5) * scale;
    const auto first = static_cast<std::uint32_t>(std::max(centre - support + 0.5, 0.0));
    const auto last =
        static_cast<std::uint32_t>(std::min(centre + support + 0.5, static_cast<double>(in_size)));
    const std::uint32_t count = last - first;
    double sum = 0.0;
    for (std::uint32_t t = 0; t < count; ++t) {
      exact[t] = kernel.weight((t + static_cast<double>(first) - centre + 0.5) * inverse);
      sum += exact[t];
    }
    weights.first[i] = first;
    weights.count[i] = count;
    std::int32_t* weight = &weights.weight[i * weights.stride];
    for (std::uint32_t t = 0; t < count; ++t)
      weight[t] = fixed_point(sum != 0.0 ? exact[t] / sum : exact[t]);
  }
  return weights;
}

}  // namespace graft::image
