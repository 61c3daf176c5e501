#include "engine/backend/arithmetic.h"

namespace graft {

PixelTables pixel_tables(Preprocess preprocess) {
  switch (preprocess) {
    case Preprocess::caffe:
      return caffe_tables();
    case Preprocess::torch:
      return torch_tables();
    case Preprocess::rescale:
      break;
  }
  return rescale_tables();
}

LearningRate learning_rate(const HeadOptions& options) {
  return {options.optimizer.learning_rate, options.steps};
}

Rmsprop rmsprop_at(const HeadOptions& options, std::uint64_t step) {
  const OptimizerConfig& optimizer = options.optimizer;
  return {learning_rate(options).at(step), static_cast<float>(optimizer.rho),
          static_cast<float>(1.0 - optimizer.rho), static_cast<float>(optimizer.epsilon),
          optimizer.epsilon_inside_sqrt};
}

float kept_scale(const HeadOptions& options) {
  return static_cast<float>(1.0 / (1.0 - options.dropout));
}

Dropout dropout_of(const HeadOptions& options, std::size_t layer,
                   const std::uint64_t* training_step) {
  if (training_step == nullptr || options.dropout == 0.0) return {{}, 0, 1.0F};
  return {{options.seed, RandomPurpose::dropout, static_cast<std::uint32_t>(layer), *training_step},
          dropout_threshold(options.dropout),
          kept_scale(options)};
}

}  // namespace graft
