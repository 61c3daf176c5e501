#include "engine/forecast/gpu_forecast.h"

#include <utility>

#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft {
namespace {

// The least share of direct convolution's multiplications that an engine with these notes makes.
double share_of_multiplications(const std::vector<std::string>& notes) {
  constexpr double tiles_of_6 = 36.0 / (9.0 * 4.0 * 4.0);
  constexpr double tiles_of_13 = 169.0 / (9.0 * 11.0 * 11.0);
  double share = 1.0;
  for (const std::string& original : notes) {
    const std::string note = lower_case(original);
    if (note.find("fft") != std::string::npos) return 0.0;
    if (note.find("winograd") == std::string::npos) continue;
    const bool large = note.find("13x13") != std::string::npos;
    share = std::min(share, large ? tiles_of_13 : tiles_of_6);
  }
  return share;
}

}  // namespace

LayerBound layer_bound(const LayerForecast& layer, const Roofline& roofline) {
  LayerBound bound;
  bound.arithmetic =
      share_of_multiplications(layer.notes) * layer.convolution_flop / roofline.flop_per_second;
  bound.memory = layer.convolution_bytes / roofline.bytes_per_second;
  bound.epilogue = layer.epilogue_bytes / roofline.bytes_per_second;
  return bound;
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

GpuForecast forecast_for_gpu(const CudaModule& module, const Gpu& gpu, std::size_t memory,
                             BackboneOptions options) {
  const double peak = peak_flop_per_second(gpu, options.precision);
  if (peak == 0.0) {
    throw Error(ErrorKind::device,
                "the {} (sm_{}) has no {} arithmetic; choose another backbone.precision",
                gpu.properties.name, gpu.properties.compute_capability, name_of(options.precision));
  }
  GpuForecast result;
  result.gpu = gpu;
  result.gpu.properties.memory = memory;
  result.usable = memory - reserved_memory(memory);
  if (options.batch_size == 0) options.batch_size = automatic_batch(memory, options);
  result.backbone = module.forecast_backbone(result.gpu.properties, options);
  result.fits = result.backbone.memory.total() <= result.usable;
  result.bound = backbone_bound(result.backbone, {peak, gpu.bandwidth});
  result.options = std::move(options);
  return result;
}

}  // namespace graft
