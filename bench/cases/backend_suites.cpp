#include "bench/cases/backend_suites.h"

#include <cmath>
#include <random>
#include <system_error>

namespace graft::bench {
namespace {

Vgg16Weights random_vgg16() {
  Vgg16Weights weights;
  std::uint32_t seed = 1;
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    const Vgg16Layer& l = vgg16_layers[layer];
    const float scale = std::sqrt(2.0F / (9.0F * static_cast<float>(l.input_channels)));
    weights.layers[layer] = {normal_values(9 * l.input_channels * l.output_channels, seed++, scale),
                             normal_values(l.output_channels, seed++, 0.1F)};
  }
  return weights;
}

}  // namespace

std::vector<float> normal_values(std::size_t count, std::uint32_t seed, float scale) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

const Vgg16Weights& SuiteContext::weights() const {
  if (loaded_weights) return *loaded_weights;
  const std::filesystem::path& file = setup.config.backbone.weights;
  std::error_code absent;
  const bool exists = !file.empty() && std::filesystem::exists(file, absent);
  return loaded_weights.emplace(exists ? load_vgg16_weights(file) : random_vgg16());
}

std::vector<Case> backend_cases(const SuiteContext& context, Suite suite, const Axes& axes) {
  if (suite == Suite::backbone) return backbone_cases(context, axes);
  if (suite == Suite::head) return without_repeats(head_cases(context, axes));
  return pipeline_cases(context, axes);
}

}  // namespace graft::bench
