#include "bench/cases/backend_suites.h"

#include <iterator>
#include <system_error>

#include "bench/cases/random_network.h"

namespace graft::bench {

BackendSuites::BackendSuites(Backend& backend, BenchSetup setup, std::function<void()> flush,
                             std::function<std::unique_ptr<Backend>(std::size_t)> with_threads)
    : setup_(std::move(setup)),
      context_{backend, setup_, std::move(flush), std::move(with_threads),
               [this]() -> const Vgg16Weights& { return weights(); }} {}

const Vgg16Weights& BackendSuites::weights() {
  if (weights_) return *weights_;
  const std::filesystem::path& file = setup_.config.backbone.weights;
  std::error_code absent;
  const bool exists = !file.empty() && std::filesystem::exists(file, absent);
  return weights_.emplace(exists ? load_vgg16_weights(file) : random_vgg16());
}

std::vector<Case> BackendSuites::cases(Suite suite, const Axes& axes) {
  if (suite == Suite::backbone) return listed_.add(backbone_cases(context_, axes));
  if (suite == Suite::head) return listed_.add(head_cases(context_, axes));
  if (suite != Suite::pipeline) return {};
  CaseList list = pipeline_cases(context_, axes);
  CaseList images = image_cases(context_, axes);
  std::move(images.begin(), images.end(), std::back_inserter(list));
  return listed_.add(std::move(list));
}

}  // namespace graft::bench
