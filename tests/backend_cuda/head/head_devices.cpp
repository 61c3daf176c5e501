// The GPU for the tests of tests/backend, with training rows on the device and streamed to it.

#include "tests/backend/head_device.h"

#include <optional>

#include "engine/backend/cuda/head/cuda_head.h"
#include "tests/kernels_cuda/cuda_test.h"

namespace graft::test {
namespace {

class CudaHeadDevice final : public HeadDevice {
 public:
  explicit CudaHeadDevice(std::size_t most_resident_bytes)
      : most_resident_bytes_(most_resident_bytes) {
    device_.emplace(0);
  }
  ~CudaHeadDevice() override {
    device_.reset();
    expect_no_findings();
  }
  CudaHeadDevice(const CudaHeadDevice&) = delete;
  CudaHeadDevice& operator=(const CudaHeadDevice&) = delete;

  std::unique_ptr<Head> make_head(const HeadOptions& options) override {
    return cuda::make_cuda_head(options, *device_, most_resident_bytes_);
  }

 private:
  const std::size_t most_resident_bytes_;
  std::optional<cuda::Device> device_;
};

NamedHeadDevice gpu(const std::string& rows, std::size_t most_resident_bytes) {
  return {"gpu_" + rows, [most_resident_bytes]() -> std::unique_ptr<HeadDevice> {
            int devices = 0;
            if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) return nullptr;
            return std::make_unique<CudaHeadDevice>(most_resident_bytes);
          }};
}

}  // namespace

std::vector<NamedHeadDevice> head_devices() {
  return {gpu("resident", cuda::all_that_fit), gpu("streamed", 0)};
}

}  // namespace graft::test
