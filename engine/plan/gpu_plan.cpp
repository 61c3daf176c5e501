#include "engine/plan/gpu_plan.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "engine/base/error.h"

namespace graft {
namespace {

class Planner {
 public:
  Planner(const CudaModule& module, const Gpu& gpu, BackboneOptions options, std::size_t usable)
      : module_(module), gpu_(gpu), options_(std::move(options)), usable_(usable) {}

  const BackbonePlan& plan(std::size_t batch) {
    const auto known = plans_.find(batch);
    if (known != plans_.end()) return known->second;
    options_.batch_size = batch;
    return plans_.emplace(batch, module_.plan_backbone(gpu_.properties, options_)).first->second;
  }

  bool fits(std::size_t batch) {
    // What a batch takes without workspace grows with it; plans take time, so that is looked at
    // first.
    const BackboneMemory one = plan(1).memory;
    const auto images = static_cast<double>(batch);
    const double least =
        static_cast<double>(one.weight_bytes) +
        images * static_cast<double>(one.total() - one.weight_bytes - one.workspace_bytes) -
        images * rounding;
    if (least > static_cast<double>(usable_)) return false;
    return plan(batch).memory.total() <= usable_;
  }

  std::size_t largest_batch() {
    for (std::size_t batch = most_useful_batch; batch > 0; batch /= 2) {
      options_.batch_size = batch;
      if (plane_is_usual(options_) && fits(batch)) return batch;
    }
    return 0;
  }

 private:
  static constexpr double rounding = 8 * 256.0;  // the parts are rounded up to whole lines

  const CudaModule& module_;
  const Gpu& gpu_;
  BackboneOptions options_;
  const std::size_t usable_;
  std::map<std::size_t, BackbonePlan> plans_;
};

}  // namespace

double GpuPlan::images_per_second() const {
  return static_cast<double>(options.batch_size) / bound.seconds;
}

GpuPlan plan_for_gpu(const CudaModule& module, const Gpu& gpu, std::size_t memory,
                     BackboneOptions options) {
  const double peak = peak_flop_per_second(gpu, options.precision);
  if (peak == 0.0) {
    throw Error(ErrorKind::device,
                fmt::format("the {} (sm_{}) has no {} arithmetic; choose another "
                            "backbone.precision",
                            gpu.properties.name, gpu.properties.compute_capability,
                            name_of(options.precision)));
  }
  GpuPlan result;
  result.gpu = gpu;
  result.gpu.properties.memory = memory;
  result.memory = memory;
  result.usable = memory - reserved_memory(memory);
  Planner planner(module, result.gpu, options, result.usable);
  result.largest_batch = planner.largest_batch();
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
  result.plan = planner.plan(options.batch_size);
  result.fits = result.plan.memory.total() <= result.usable;
  result.bound = backbone_bound(result.plan, {peak, gpu.bandwidth});
  result.options = std::move(options);
  return result;
}

}  // namespace graft
