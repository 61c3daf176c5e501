#pragma once
// The Backend of a GPU.

#include <filesystem>
#include <map>
#include <string>

#include "engine/backend/backend.h"
#include "engine/backend/cuda/backbone/backbone_spec.h"
#include "engine/backend/cuda/runtime/device.h"

namespace graft::cuda {

class CudaBackend final : public Backend {
 public:
  // threads 0: one per core that this process may run on. Throws Error(device): see Device, and
  // for a cuDNN or cuBLAS that does not start.
  CudaBackend(int ordinal, std::size_t threads);

  std::string description() const override;
  // Precision, GPU, cuDNN's version, batch size and a digest of the engines that were chosen.
  // Chooses the plans for make_backbone too, which may take seconds, and longer with autotune.
  std::string numerics(const BackboneOptions& options) override;
  Precision automatic_precision() const override {
    return graft::automatic_precision(device_.compute_capability());
  }
  std::size_t automatic_batch(const BackboneOptions& options) const override {
    return graft::automatic_batch(device_.memory(), options);
  }
  // Pinned. Throws Error(device) when the system refuses.
  HostBuffer allocate_host(std::size_t bytes) override;
  // One is copied in, one computed, one copied out.
  std::size_t batches_in_flight() const override { return 3; }
  std::size_t host_threads() const override { return threads_; }
  std::unique_ptr<Backbone> make_backbone(const Vgg16Weights& weights,
                                          const BackboneOptions& options) override;
  std::unique_ptr<Head> make_head(const HeadOptions& options) override;
  void set_tracer(Tracer* tracer) override { tracer_ = listening(tracer, TraceDetail::kernels); }
  DeviceProfiler* profiler() override { return &profiler_; }
  std::vector<std::string> take_warnings() override;  // on plans and their cache

 private:
  // cudaProfilerStart and cudaProfilerStop.
  class Profiler final : public DeviceProfiler {
   public:
    explicit Profiler(const Device& device) : device_(device) {}
    bool start() noexcept override;
    bool stop() noexcept override;

   private:
    bool is_idle() const noexcept;
    const Device& device_;
  };

  BackboneSpec planned(const BackboneOptions& options);
  // A power of two that fits the free memory now, smaller than options.batch_size; 0: none. Leaves
  // reserved_memory() free. By the plans that the heuristics prefer, even with autotune.
  std::size_t fitting_batch(BackboneOptions options) const;

  Device device_;
  CudnnDevice cudnn_;
  std::size_t threads_;
  Tracer* tracer_ = nullptr;
  Profiler profiler_{device_};
  std::map<std::filesystem::path, PlanCache> caches_;  // by BackboneOptions::cache
};

}  // namespace graft::cuda
