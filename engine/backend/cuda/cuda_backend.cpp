#include "engine/backend/cuda/cuda_backend.h"

#include <cuda_profiler_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

#include "engine/backend/cuda/backbone_memory.h"
#include "engine/backend/cuda/cuda_backbone.h"
#include "engine/backend/cuda/cuda_head.h"
#include "engine/backend/cuda/resources.h"
#include "kernels/cpu/thread_pool.h"

namespace graft::cuda {
namespace {

// Raised when our own kernels may round a feature differently.
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
                     plans(options).digest());
}

BackbonePlans CudaBackend::plans(const BackboneOptions& options) {
  backbone_memory(options, 0);  // throws for options that no device serves
  PlanCache& cache = caches_.try_emplace(options.cache, options.cache).first->second;
  return device_.run("The choice of convolutions", [&] {
    try {
      return choose_backbone_plans(cudnn_, options, cache);
    } catch (const Failure& failure) {
      if (failure.code() != cudaErrorMemoryAllocation) throw;
    }
    cudaGetLastError();  // answered
    refuse_timing(options);
  });
}

// Autotune had no memory for the planes of a layer: the sizes that the backbone would need.
void CudaBackend::refuse_timing(const BackboneOptions& options) {
  BackboneOptions untimed = options;
  untimed.autotune = false;
  const std::size_t wanted = backbone_memory(untimed, plans(untimed).workspace_bytes()).total();
  refuse_memory(device_, options, wanted, smaller_batch(untimed));
}

bool CudaBackend::fits(const BackboneOptions& options, std::size_t free) {
  if (!plane_is_usual(options)) return false;
  if (backbone_memory(options, 0).total() > free) return false;  // plans take time
  return backbone_memory(options, plans(options).workspace_bytes()).total() <= free;
}

// Times nothing where a plan by heuristics shows that the batch does not fit.
std::size_t CudaBackend::fitting_batch(BackboneOptions options) {
  const Device::Memory memory =
      device_.run("The largest batch", [&] { return device_.memory_now(); });
  const std::size_t free = memory.free - std::min(memory.free, reserved_memory(memory.total));
  const bool autotune = options.autotune;
  const std::size_t most = options.batch_size == 0 ? most_useful_batch : options.batch_size;
  for (std::size_t batch = std::bit_floor(std::min(most, most_useful_batch)); batch != 0;
       batch /= 2) {
    options.batch_size = batch;
    options.autotune = false;
    if (!fits(options, free)) continue;
    options.autotune = autotune;
    if (!autotune || fits(options, free)) return batch;
  }
  return 0;
}

std::size_t CudaBackend::smaller_batch(BackboneOptions options) {
  if (--options.batch_size == 0) return 0;
  return fitting_batch(options);
}

std::size_t CudaBackend::largest_batch(const BackboneOptions& options) {
  const std::size_t batch = fitting_batch(options);
  if (batch != 0) return batch;
  BackboneOptions one = options;
  one.batch_size = 1;
  const std::size_t wanted = backbone_memory(one, plans(one).workspace_bytes()).total();
  device_.run("The largest batch", [&] {
    refuse_memory(device_, one, wanted + reserved_memory(device_.memory_now().total), 0);
  });
  return 0;  // not reached
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
      device_, weights, options, plans(options), [&] { return smaller_batch(options); }, tracer_);
}

std::unique_ptr<Head> CudaBackend::make_head(const HeadOptions& options) {
  return make_cuda_head(options, device_, all_that_fit, tracer_);
}

// After a failure of the device nothing is to be profiled, and the next call says what it was.
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
  std::vector<std::string> remarks;
  for (auto& [folder, cache] : caches_) {
    std::ranges::move(cache.take_remarks(), std::back_inserter(remarks));
  }
  return remarks;
}

}  // namespace graft::cuda
