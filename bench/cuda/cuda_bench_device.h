#pragma once
// A GPU as a BenchDevice. The suites kernels and layers are its own, by the GPU's clock; backbone,
// head and pipeline are those of every Backend (bench/suites), with a CudaBackend.
//
// On the virtual GPU (tests/virtual_gpu), and under a profiler that makes launches wait, everything
// runs, and nothing has a time; why_no_times() says so.

#include <cstddef>
#include <optional>
#include <string>

#include "bench/cuda/device_work.h"
#include "bench/cuda/nvml.h"
#include "bench/cuda/sampler.h"
#include "bench/harness/bench_device.h"
#include "bench/harness/cuda_bench_module.h"
#include "bench/suites/case_list.h"
#include "bench/suites/suites_of_backend.h"
#include "engine/backend/cuda/cuda_backend.h"
#include "engine/backend/cuda/cudnn_convolution.h"
#include "engine/backend/cuda/device.h"

namespace graft::bench {

// What tests change.
struct CudaBenchOptions {
  // Where NVML is. By default the driver's; on the virtual GPU none, since what it says would be of
  // another device.
  std::optional<std::string> nvml_library;
  std::optional<std::size_t> flush_bytes;  // by default twice the L2 cache
};

class CudaBenchDevice final : public BenchDevice {
 public:
  // As CudaBenchModule::make_device.
  CudaBenchDevice(int ordinal, const BenchSetup& setup, const CudaBenchOptions& options = {});

  DeviceIdentity identity() override;
  bool gives_times() const override { return sampler_.gives_times(); }
  std::string why_no_times() const override;
  std::vector<Case> cases(Suite suite, const Axes& axes) override;
  std::unique_ptr<Subject> prepare(const Case& which) override;
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
  ListedCases listed_;
  SuitesOfBackend suites_;
};

}  // namespace graft::bench
