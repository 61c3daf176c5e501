#include "engine/backend/cuda/module.h"

#include "engine/backend/cuda/cuda_backend.h"
#include "engine/backend/cuda/errors.h"
#include "engine/backend/cuda/plan_backbone.h"

namespace graft::cuda {
namespace {

class Module final : public CudaModule {
 public:
  std::unique_ptr<Backend> make_backend(int ordinal, std::size_t threads) const override {
    return std::make_unique<CudaBackend>(ordinal, threads);
  }
  BackbonePlan plan_backbone(const GpuProperties& gpu,
                             const BackboneOptions& options) const override {
    FirstCause none;  // there is no device whose work could be lost
    return as_device_errors(none, "The plan", [&] { return cuda::plan_backbone(gpu, options); });
  }
};

}  // namespace

const CudaModule& module() {
  static const Module the_module;
  return the_module;
}

}  // namespace graft::cuda
