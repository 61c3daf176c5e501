// plan: what a GPU that need not be there would do with a config's backbone.

#include <fmt/format.h>

#include <utility>

#include "engine/backend/cuda_module.h"
#include "engine/base/error.h"
#include "engine/forecast/gpu_forecast.h"
#include "engine/job/session.h"
#include "tools/graft/commands.h"
#include "tools/graft/plan_text.h"
#include "tools/graft/standard_output.h"

namespace graft::program {
namespace {

const CudaModule& needed_cuda_module() {
  try {
    return cuda_module();
  } catch (const Error& error) {
    throw Error(error.kind(),
                fmt::format("`graft plan` asks cuDNN, which needs no GPU, but: {}", error.what()));
  }
}

}  // namespace

int plan_command(const Request& request) {
  const Config config = load_config(request.config, request.settings, process_environment());
  const Gpu& gpu = chosen_gpu(request.gpu, request.architecture);
  const std::size_t memory = request.memory ? parse_memory(*request.memory) : gpu.properties.memory;
  BackboneOptions options = backbone_options(config);
  options.autotune = false;  // there is nothing to time
  options.cache.clear();     // a plan for a GPU that is not here serves no run
  const GpuForecast plan = forecast_for_gpu(needed_cuda_module(), gpu, memory, std::move(options));
  write_result(request.json ? plan_json(plan) : plan_text(plan));
  flush_results();
  return 0;
}

}  // namespace graft::program
