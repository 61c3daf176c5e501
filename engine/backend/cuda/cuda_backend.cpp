#include "engine/backend/cuda/cuda_backend.h"

#include <cuda_profiler_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

#include "engine/backend/cuda/backbone/cuda_backbone.h"
#include "engine/backend/cuda/head/cuda_head.h"
#include "engine/backend/cuda/runtime/resources.h"
#include "kernels/cpu/thread_pool.h"

namespace graft::cuda {
namespace {

// Raised when graft's own kernels may round a feature differently.
constexpr int kernels_version = 1;

}  // namespace

CudaBackend::CudaBackend(int ordinal, std::size_t threads)
    : device_(ordinal),
      cudnn_(device_.run("the start of cuDNN", [] { return CudnnDevice::current(); })),
      threads_(threads == 0 ? cpu::available_cores() : threads) {}

std::string CudaBackend::description() const {
  return fmt::format("{}, cuDNN {}", device_.description(), cudnn_version());
}

std::string CudaBackend::numerics(const BackboneOptions& options) {
  return fmt::format("cuda {} {}, {} (sm_{}), cuDNN {}, batch {}, engines {}",
                     name_of(options.precision), kernels_version, device_.name(),
                     device_.compute_capability(), cudnn_version(), options.batch_size,
                     planned(BackboneSpec(options)).engines_digest());
}

BackboneSpec CudaBackend::planned(BackboneSpec spec) {
  const std::filesystem::path& folder = spec.options.cache;
  PlanCache& cache = caches_.try_emplace(folder, folder).first->second;
  return device_.run("The choice of convolutions", [&] {
    const auto chosen = if_memory_allows([&] {
      spec.choose_plans(cudnn_, &cache);
      return true;
    });
    if (!chosen) refuse_trial(spec);
    return std::move(spec);
  });
}

std::size_t CudaBackend::wanted_memory(BackboneSpec spec) {
  return device_.run("The choice of convolutions", [&] {
    spec.choose_plans(cudnn_, nullptr);
    return spec.memory.total();
  });
}

// There was no memory to run the plans of a layer: names the size that the backbone needs.
void CudaBackend::refuse_trial(const BackboneSpec& spec) {
  BackboneOptions options = spec.options;
  options.autotune = false;
  refuse_memory(device_, options, wanted_memory(spec), fitting_batch(options));
}

bool CudaBackend::fits(const BackboneOptions& options, std::size_t free) {
  if (!has_usual_activations(options)) return false;
  BackboneSpec spec(options);
  if (spec.memory.total() > free) return false;  // plans take time
  return (options.autotune ? planned(spec).memory.total() : wanted_memory(spec)) <= free;
}

// With autotune: by heuristics first, so that a batch that does not fit is not timed.
std::size_t CudaBackend::fitting_batch(BackboneOptions options) {
  const Device::Memory memory =
      device_.run("A batch that fits", [&] { return device_.memory_now(); });
  const std::size_t free = memory.free - std::min(memory.free, reserved_memory(memory.total));
  const bool autotune = options.autotune;
  for (std::size_t batch = std::bit_floor(options.batch_size - 1); batch != 0; batch /= 2) {
    options.batch_size = batch;
    options.autotune = false;
    if (!fits(options, free)) continue;
    options.autotune = autotune;
    if (!autotune || fits(options, free)) return batch;
  }
  return 0;
}

HostBuffer CudaBackend::allocate_host(std::size_t bytes) {
  return device_.run("The pinned memory for images and features", [&]() -> HostBuffer {
    PinnedBuffer memory(bytes);
    return {memory.release(), bytes, [](std::byte* data) { ignore(cudaFreeHost(data)); }};
  });
}

std::unique_ptr<Backbone> CudaBackend::make_backbone(const Vgg16Weights& weights,
                                                     const BackboneOptions& options) {
  return make_cuda_backbone(
      device_, weights, planned(BackboneSpec(options)), [&] { return fitting_batch(options); },
      tracer_);
}

std::unique_ptr<Head> CudaBackend::make_head(const HeadOptions& options) {
  return make_cuda_head(options, device_, all_that_fit, tracer_);
}

// After a failure of the device there is nothing to profile; the next call reports it.
bool CudaBackend::Profiler::is_idle() const noexcept {
  try {
    device_.make_current();
    GRAFT_CUDA_CHECK(cudaDeviceSynchronize());
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

bool CudaBackend::Profiler::start() noexcept {
  if (!is_idle()) return false;
  const cudaError_t code = cudaProfilerStart();
  ignore(code);
  return code == cudaSuccess;
}

bool CudaBackend::Profiler::stop() noexcept {
  const bool was_idle = is_idle();
  const cudaError_t code = cudaProfilerStop();
  ignore(code);
  return was_idle && code == cudaSuccess;
}

std::vector<std::string> CudaBackend::take_warnings() {
  std::vector<std::string> warnings;
  for (auto& [folder, cache] : caches_) {
    std::ranges::move(cache.take_warnings(), std::back_inserter(warnings));
  }
  return warnings;
}

}  // namespace graft::cuda
