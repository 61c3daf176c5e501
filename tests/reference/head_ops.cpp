#include "tests/reference/head_ops.h"

#include <cmath>

namespace graft::reference {

std::vector<float> normalized(std::span<const float> values, std::span<const float> mean,
                              std::span<const float> scale) {
  std::vector<float> result;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float centred = values[i] - mean[i % mean.size()];
    result.push_back(centred * scale[i % mean.size()]);
  }
  return result;
}

std::vector<float> dense(std::span<const float> inputs, std::span<const float> kernel,
                         std::size_t rows, std::size_t count, std::size_t units) {
  std::vector<float> sums(rows * units);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t u = 0; u < units; ++u) {
      double sum = 0.0;
      for (std::size_t k = 0; k < count; ++k) {
        sum += static_cast<double>(inputs[r * count + k]) * kernel[k * units + u];
      }
      sums[r * units + u] = static_cast<float>(sum);
    }
  }
  return sums;
}

std::vector<float> dense_backward_input(std::span<const float> delta, std::span<const float> kernel,
                                        std::size_t rows, std::size_t count, std::size_t units) {
  std::vector<float> gradient(rows * count);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t k = 0; k < count; ++k) {
      double sum = 0.0;
      for (std::size_t u = 0; u < units; ++u) {
        sum += static_cast<double>(delta[r * units + u]) * kernel[k * units + u];
      }
      gradient[r * count + k] = static_cast<float>(sum);
    }
  }
  return gradient;
}

bool is_kept(const RandomStream& stream, double rate, std::uint64_t index) {
  return uniform_from_word(random_word(stream, index)) >= rate;
}

std::vector<float> relu_dropout(std::span<const float> values, const RandomStream& stream,
                                double rate, std::uint64_t first) {
  std::vector<float> out(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!is_kept(stream, rate, first + i)) continue;
    const double rectified = values[i] <= 0.0F ? 0.0 : values[i];
    out[i] = static_cast<float>(rectified / (1.0 - rate));
  }
  return out;
}

std::vector<float> relu_dropout_backward(std::span<const float> gradient,
                                         std::span<const float> before, const RandomStream& stream,
                                         double rate, std::uint64_t first) {
  std::vector<float> out(gradient.size());
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    if (!is_kept(stream, rate, first + i) || before[i] <= 0.0F) continue;
    out[i] = static_cast<float>(gradient[i] / (1.0 - rate));
  }
  return out;
}

Parameters rmsprop(const Parameters& old, std::span<const double> gradient,
                   const Rmsprop& factors) {
  Parameters now = old;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const double g = gradient[i];
    const double a = static_cast<double>(factors.rho) * old.mean_squares[i] +
                     static_cast<double>(factors.one_minus_rho) * g * g;
    const double divisor = factors.epsilon_inside_sqrt ? std::sqrt(a + factors.epsilon)
                                                       : std::sqrt(a) + factors.epsilon;
    now.mean_squares[i] = static_cast<float>(a);
    now.values[i] = static_cast<float>(old.values[i] - factors.learning_rate * g / divisor);
  }
  return now;
}

Parameters dense_update(const Parameters& old, std::span<const float> inputs,
                        std::span<const float> delta, std::size_t rows, std::size_t count,
                        std::size_t units, const Rmsprop& factors) {
  std::vector<double> gradient(count * units);
  for (std::size_t k = 0; k < count; ++k) {
    for (std::size_t u = 0; u < units; ++u) {
      for (std::size_t r = 0; r < rows; ++r) {
        gradient[k * units + u] +=
            static_cast<double>(inputs[r * count + k]) * delta[r * units + u];
      }
    }
  }
  return rmsprop(old, gradient, factors);
}

Parameters bias_update(const Parameters& old, std::span<const float> delta, std::size_t rows,
                       std::size_t units, const Rmsprop& factors) {
  std::vector<double> gradient(units);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t u = 0; u < units; ++u) gradient[u] += delta[r * units + u];
  }
  return rmsprop(old, gradient, factors);
}

}  // namespace graft::reference
