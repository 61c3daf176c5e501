#include "engine/backend/cuda/cuda_backend.h"

#include <cuda_profiler_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>

#include "engine/backend/cuda/backbone/cuda_backbone.h"
#include "engine/backend/cuda/head/cuda_head.h"
#include "engine/backend/cuda/runtime/resources.h"
#include "kernels/cpu/thread_pool.h"

namespace graft::cuda {

CudaBackend::CudaBackend(int ordinal, std::size_t threads)
    : device_(ordinal),
      cudnn_(device_.run("the start of cuDNN", [] { return CudnnDevice::current(); })),
      threads_(threads == 0 ? cpu::available_cores() : threads) {}

std::string CudaBackend::description() const {
  return fmt::format("{}, cuDNN {}", device_.description(), cudnn_version());
}

std::string CudaBackend::numerics(const BackboneOptions& options) {
  // Raised when graft's own kernels may round a feature differently.
  constexpr int kernels_version = 1;
  return fmt::format("cuda {} {}, {} (sm_{}), cuDNN {}, batch {}, engines {}",
                     name_of(options.precision), kernels_version, device_.name(),
                     device_.compute_capability(), cudnn_version(), options.batch_size,
                     planned(options).engines_digest());
}

BackboneSpec CudaBackend::planned(const BackboneOptions& options) {
  BackboneSpec spec(options);
  PlanCache& cache = caches_.try_emplace(options.cache, options.cache).first->second;
  device_.run("The choice of convolutions", [&] {
    const auto chosen = if_memory_allows([&] {
      spec.choose_plans(cudnn_, &cache);
      return true;
    });
    if (chosen) return;
    // There was no memory to run the plans of a layer: names the size that the backbone needs.
    spec.choose_plans(cudnn_, nullptr);
    refuse_memory(device_, spec, fitting_batch(options));
  });
  return spec;
}

std::size_t CudaBackend::fitting_batch(BackboneOptions options) const {
  const Device::Memory memory = device_.memory_now();
  const std::size_t free = memory.free - std::min(memory.free, reserved_memory(memory.total));
  for (std::size_t batch = std::bit_floor(options.batch_size - 1); batch != 0; batch /= 2) {
    options.batch_size = batch;
    BackboneSpec spec(options);
    if (spec.memory.total() > free) continue;  // plans take time
    spec.choose_plans(cudnn_, nullptr);
    if (spec.memory.total() <= free) return batch;
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
      device_, weights, planned(options), [&] { return fitting_batch(options); }, tracer_);
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
