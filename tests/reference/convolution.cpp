#include "tests/reference/convolution.h"

#include <cmath>

namespace graft::reference {

FeatureMap convolution(const FeatureMap& input, std::span<const float> kernel,
                       std::span<const float> bias) {
  const std::size_t outputs = bias.size();
  FeatureMap output{input.height, input.width, outputs, {}};
  output.values.reserve(input.height * input.width * outputs);
  std::vector<double> sum(outputs);
  for (std::size_t y = 0; y < input.height; ++y) {
    for (std::size_t x = 0; x < input.width; ++x) {
      sum.assign(bias.begin(), bias.end());
      for (std::size_t ky = 0; ky < 3; ++ky) {
        for (std::size_t kx = 0; kx < 3; ++kx) {
          const std::size_t row = y + ky, column = x + kx;  // + 1, for the border
          if (row < 1 || row > input.height || column < 1 || column > input.width) continue;
          const double* pixel =
              &input.values[((row - 1) * input.width + column - 1) * input.channels];
          for (std::size_t channel = 0; channel < input.channels; ++channel) {
            const float* weight = &kernel[((ky * 3 + kx) * input.channels + channel) * outputs];
            for (std::size_t n = 0; n < outputs; ++n) {
              sum[n] += pixel[channel] * static_cast<double>(weight[n]);
            }
          }
        }
      }
      output.values.insert(output.values.end(), sum.begin(), sum.end());
    }
  }
  return output;
}

void relu(FeatureMap& map) {
  for (double& value : map.values) {
    if (value < 0.0) value = 0.0;
  }
}

FeatureMap max_pool(const FeatureMap& input) {
  FeatureMap output{input.height / 2, input.width / 2, input.channels, {}};
  for (std::size_t y = 0; y < output.height; ++y) {
    for (std::size_t x = 0; x < output.width; ++x) {
      for (std::size_t channel = 0; channel < input.channels; ++channel) {
        double largest = -HUGE_VAL;
        for (std::size_t window = 0; window < 4; ++window) {
          const std::size_t pixel = (2 * y + window / 2) * input.width + 2 * x + window % 2;
          const double value = input.values[pixel * input.channels + channel];
          if (std::isnan(value) || value > largest) largest = value;
          if (std::isnan(largest)) break;
        }
        output.values.push_back(largest);
      }
    }
  }
  return output;
}

FeatureMap preprocess(Preprocess how, std::size_t height, std::size_t width,
                      std::span<const std::uint8_t> rgb) {
  constexpr float caffe_mean[3] = {103.939F, 116.779F, 123.68F};
  constexpr float torch_mean[3] = {0.485F, 0.456F, 0.406F};
  constexpr float torch_deviation[3] = {0.229F, 0.224F, 0.225F};
  FeatureMap map{height, width, 3, {}};
  for (std::size_t index = 0; index < height * width * 3; ++index) {
    const std::size_t channel = index % 3;
    float value = 0.0F;
    switch (how) {
      case Preprocess::rescale:
        value = static_cast<float>(rgb[index]);
        value *= static_cast<float>(1.0 / 255.0);
        break;
      case Preprocess::caffe:
        value = static_cast<float>(rgb[index - channel + 2 - channel]);
        value -= caffe_mean[channel];
        break;
      case Preprocess::torch:
        value = static_cast<float>(rgb[index]);
        value /= 255.0F;
        value -= torch_mean[channel];
        value /= torch_deviation[channel];
        break;
    }
    map.values.push_back(static_cast<double>(value));
  }
  return map;
}

FeatureMap vgg16(const Vgg16Weights& weights, FeatureMap image, Layer last) {
  for (std::size_t layer = 0; layer < convolutions_up_to(last); ++layer) {
    image = convolution(image, weights.layers[layer].kernel, weights.layers[layer].bias);
    relu(image);
    if (vgg16_layers[layer].pool_after) image = max_pool(image);
  }
  return image;
}

std::vector<float> rounded(const FeatureMap& map) {
  return {map.values.begin(), map.values.end()};
}

}  // namespace graft::reference
