#include "engine/forecast/gpu_forecast.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "engine/base/error.h"

namespace graft {
namespace {

class Forecaster {
 public:
  Forecaster(const CudaModule& module, const Gpu& gpu, BackboneOptions options, std::size_t usable)
      : module_(module), gpu_(gpu), options_(std::move(options)), usable_(usable) {}

  const BackboneForecast& forecast(std::size_t batch) {
    const auto known = forecasts_.find(batch);
    if (known != forecasts_.end()) return known->second;
    options_.batch_size = batch;
    return forecasts_.emplace(batch, module_.forecast_backbone(gpu_.properties, options_))
        .first->second;
  }

  std::size_t largest_batch() {
    for (std::size_t batch = most_useful_batch; batch > 0; batch /= 2) {
      options_.batch_size = batch;
      if (has_usual_activations(options_) && fits(batch)) return batch;
    }
    return 0;
  }

 private:
  // Choosing plans takes time: the memory without workspace, which grows with the batch, goes first.
  bool fits(std::size_t batch) {
    constexpr double rounding = 8 * 256.0;  // each part is rounded up
    const BackboneMemory one = forecast(1).memory;
    const double of_image =
        static_cast<double>(one.total() - one.weight_bytes - one.workspace_bytes) - rounding;
    const double least =
        static_cast<double>(one.weight_bytes) + static_cast<double>(batch) * of_image;
    return least <= static_cast<double>(usable_) && forecast(batch).memory.total() <= usable_;
  }

  const CudaModule& module_;
  const Gpu& gpu_;
  BackboneOptions options_;
  const std::size_t usable_;
  std::map<std::size_t, BackboneForecast> forecasts_;  // by batch
};

}  // namespace

double GpuForecast::images_per_second() const {
  return static_cast<double>(options.batch_size) / bound.seconds;
}

GpuForecast forecast_for_gpu(const CudaModule& module, const Gpu& gpu, std::size_t memory,
                             BackboneOptions options) {
  const double peak = peak_flop_per_second(gpu, options.precision);
  if (peak == 0.0) {
    throw Error(ErrorKind::device,
                fmt::format("the {} (sm_{}) has no {} arithmetic; choose another "
                            "backbone.precision",
                            gpu.properties.name, gpu.properties.compute_capability,
                            name_of(options.precision)));
  }
  GpuForecast result;
  result.gpu = gpu;
  result.gpu.properties.memory = memory;
  result.memory = memory;
  result.usable = memory - reserved_memory(memory);
  Forecaster forecaster(module, result.gpu, options, result.usable);
  result.largest_batch = forecaster.largest_batch();
  if (options.batch_size == 0) {
    if (result.largest_batch == 0) {
      throw Error(
          ErrorKind::device,
          fmt::format("not one image of {}×{} fits {} MiB; choose a smaller "
                      "data.image_size or a GPU with more memory",
                      options.image_size.height, options.image_size.width, result.usable >> 20U));
    }
    options.batch_size = result.largest_batch;
  }
  result.backbone = forecaster.forecast(options.batch_size);
  result.fits = result.backbone.memory.total() <= result.usable;
  result.bound = backbone_bound(result.backbone, {peak, gpu.bandwidth});
  result.options = std::move(options);
  return result;
}

}  // namespace graft
