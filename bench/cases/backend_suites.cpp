#include "bench/cases/backend_suites.h"

#include <system_error>

#include "bench/cases/random_network.h"

namespace graft::bench {

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
