#pragma once
// A GPU as a BenchDevice. The suites kernels and layers are its own. backbone, head and pipeline
// are those of every Backend (bench/cases).
//
// On the virtual GPU (tests/virtual_gpu), and where launches wait for their kernels, it has no
// timer.

#include <cstddef>
#include <optional>
#include <string>

#include "bench/cases/backend_suites.h"
#include "bench/cases/case_list.h"
#include "bench/cuda/device_work.h"
#include "bench/cuda/nvml.h"
#include "bench/cuda/sampler.h"
#include "bench/harness/bench_device.h"
#include "engine/backend/cuda/cuda_backend.h"
#include "engine/backend/cuda/cudnn/convolution.h"
#include "engine/backend/cuda/runtime/device.h"

namespace graft::bench {

// For tests.
struct CudaBenchOptions {
  // Path of NVML. Default: the driver's, and none on the virtual GPU.
  std::optional<std::string> nvml_library;
  std::optional<std::size_t> flush_bytes;  // by default twice the L2 cache
};

class CudaBenchDevice final : public BenchDevice {
 public:
  // ordinal: among the devices of CUDA_VISIBLE_DEVICES. Throws Error(device): no driver, one too
  // old, no such device, an architecture that was not compiled.
  CudaBenchDevice(int ordinal, const BenchSetup& setup, const CudaBenchOptions& options = {});

  DeviceIdentity identity() override;
  bool has_timer() const override { return sampler_.has_timer(); }
  std::string missing_timer_reason() const override;
  std::vector<Case> cases(Suite suite, const Axes& axes) override;
  Ceilings ceilings(std::span<const Precision> precisions, std::stop_token stop) override;
  Conditions conditions() override;

 private:
  cuda::CudaBackend backend_;
  cuda::Device device_;
  bool is_virtual_;
  cuda::CudnnDevice cudnn_;
  Sampler sampler_;
  std::optional<Nvml> nvml_;
  DeviceContext context_;
  const SuiteContext suites_;
};

}  // namespace graft::bench
