#include "engine/forecast/gpu_forecast.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <string>
#include <utility>

#include "engine/base/error.h"

namespace graft {
namespace {

// The least share of direct convolution's multiplications that an engine with these notes makes.
double share_of_multiplications(const std::vector<std::string>& notes) {
  constexpr double tiles_of_6 = 36.0 / (9.0 * 4.0 * 4.0);
  constexpr double tiles_of_13 = 169.0 / (9.0 * 11.0 * 11.0);
  double share = 1.0;
  for (std::string note : notes) {
    std::transform(note.begin(), note.end(), note.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (note.find("fft") != std::string::npos) return 0.0;
    if (note.find("winograd") == std::string::npos) continue;
    const bool large = note.find("13x13") != std::string::npos;
    share = std::min(share, large ? tiles_of_13 : tiles_of_6);
  }
  return share;
}

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

double LayerBound::seconds() const {
  return std::max(arithmetic, memory) + epilogue;
}

double LayerBound::memory_seconds() const {
  return epilogue + (memory >= arithmetic ? memory : 0.0);
}

Limiter LayerBound::limiter() const {
  return 2.0 * memory_seconds() >= seconds() ? Limiter::memory : Limiter::arithmetic;
}

LayerBound layer_bound(const LayerForecast& layer, const Roofline& roofline) {
  LayerBound bound;
  bound.arithmetic =
      share_of_multiplications(layer.notes) * layer.convolution_flop / roofline.flop_per_second;
  bound.memory = layer.convolution_bytes / roofline.bytes_per_second;
  bound.epilogue = layer.epilogue_bytes / roofline.bytes_per_second;
  return bound;
}

Limiter BackboneBound::limiter() const {
  return 2.0 * memory_seconds >= seconds ? Limiter::memory : Limiter::arithmetic;
}

BackboneBound backbone_bound(const BackboneForecast& forecast, const Roofline& roofline) {
  BackboneBound total;
  for (const LayerForecast& layer : forecast.layers) {
    const LayerBound bound = layer_bound(layer, roofline);
    total.layers.push_back(bound);
    total.flop += layer.convolution_flop;
    total.bytes += layer.convolution_bytes + layer.epilogue_bytes;
    total.seconds += bound.seconds();
    total.memory_seconds += bound.memory_seconds();
  }
  return total;
}

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
