// libgraft_cuda.so: its one exported function returns all that cuda_module.h offers. The function's
// number changes with that interface.

#include "engine/backend/cuda/backbone/backbone_spec.h"
#include "engine/backend/cuda/cuda_backend.h"

namespace graft::cuda {
namespace {

class Module final : public CudaModule {
 public:
  int device_count() const override {
    FirstCause none;  // no device is in use
    return as_device_errors(none, "The count of the GPUs", cuda::device_count);
  }
  std::unique_ptr<Backend> make_backend(int ordinal, std::size_t threads) const override {
    return std::make_unique<CudaBackend>(ordinal, threads);
  }
  BackboneForecast forecast_backbone(const GpuProperties& gpu,
                                     const BackboneOptions& options) const override {
    FirstCause none;  // there is no device whose work could be lost
    return as_device_errors(none, "The forecast",
                            [&] { return cuda::forecast_backbone(gpu, options); });
  }
};

}  // namespace
}  // namespace graft::cuda

extern "C" __attribute__((visibility("default"))) const graft::CudaModule* graft_cuda_module_2() {
  static const graft::cuda::Module module;
  return &module;
}
