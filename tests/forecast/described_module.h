#pragma once
// A CudaModule with known forecasts: each layer's figures follow from the batch.

#include <stdexcept>
#include <vector>

#include "engine/backend/cuda_module.h"

namespace graft::test {

class DescribedModule final : public CudaModule {
 public:
  static constexpr std::size_t image_bytes = std::size_t{10} << 20U;
  static constexpr std::size_t weight_bytes = std::size_t{100} << 20U;
  static constexpr std::size_t workspace_bytes = std::size_t{20} << 20U;

  int device_count() const override { throw std::logic_error("no GPU here"); }
  std::unique_ptr<Backend> make_backend(int, std::size_t) const override {
    throw std::logic_error("no GPU here");
  }
  BackboneForecast forecast_backbone(const GpuProperties& gpu,
                                     const BackboneOptions& options) const override {
    batches.push_back(options.batch_size);
    gpu_name = gpu.name;
    const auto images = static_cast<double>(options.batch_size);
    BackboneForecast forecast;
    forecast.cudnn_version = "9.9.9";
    forecast.layers = {{"block1_conv1", "engine 1", {}, true, 0, 1e9 * images, 1e6 * images, 0.0},
                       {"block1_conv2",
                        "engine 2, TILE 3",
                        {"tensor core", "Winograd"},
                        false,
                        workspace_bytes,
                        4e9 * images,
                        2e6 * images,
                        1e6 * images,
                        options.features.pooling != Pooling::none}};
    forecast.memory.activation_bytes = 4 * options.batch_size * (image_bytes / 10);
    forecast.memory.image_bytes = options.batch_size * (image_bytes / 10);
    forecast.memory.feature_bytes = options.batch_size * (image_bytes / 10);
    forecast.memory.weight_bytes = weight_bytes;
    forecast.memory.workspace_bytes = workspace_bytes;
    return forecast;
  }

  mutable std::vector<std::size_t> batches;  // of the forecasts
  mutable std::string gpu_name;
};

}  // namespace graft::test
