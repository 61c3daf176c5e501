#include "bench/suites/suites_of_backend.h"

#include <system_error>
#include <utility>

#include "bench/suites/random_network.h"
#include "bench/suites/suites.h"

namespace graft::bench {

SuitesOfBackend::SuitesOfBackend(Backend& backend, BenchSetup setup, std::function<void()> flush,
                                 bool gives_times)
    : setup_(std::move(setup)),
      context_{backend, setup_, std::move(flush), gives_times,
               [this]() -> const Vgg16Weights& { return weights(); }} {}

const Vgg16Weights& SuitesOfBackend::weights() {
  if (weights_) return *weights_;
  const std::filesystem::path& file = setup_.config.backbone.weights;
  std::error_code absent;
  const bool is_there = !file.empty() && std::filesystem::exists(file, absent);
  return weights_.emplace(is_there ? load_vgg16_weights(file) : random_vgg16());
}

std::vector<Case> SuitesOfBackend::cases(Suite suite, const Axes& axes) {
  switch (suite) {
    case Suite::backbone:
      return listed_.add(backbone_cases(context_, axes));
    case Suite::head:
      return listed_.add(head_cases(context_, axes));
    case Suite::pipeline:
      return listed_.add(pipeline_cases(context_, axes));
    case Suite::kernels:
    case Suite::layers:
      break;
  }
  return {};
}

std::unique_ptr<Subject> SuitesOfBackend::prepare(const Case& which) {
  return listed_.prepare(which.name);
}

}  // namespace graft::bench
