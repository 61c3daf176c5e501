#include "engine/backend/cuda/runtime/device.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <sstream>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "kernels/cuda/compiled_code.h"

namespace graft::cuda {
namespace {

std::string version_text(int version) {  // 13000 is 13.0
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

// What hides GPUs, where it does.
std::string visible_devices() {
  const char* value = std::getenv("CUDA_VISIBLE_DEVICES");
  if (value == nullptr) return {};
  return fmt::format(", with CUDA_VISIBLE_DEVICES=\"{}\"", escape_invalid_utf8(value));
}

// GRAFT_CUDA_ARCHITECTURES, "75-real 80-real 120", as "sm_75, sm_80, sm_120 and newer".
std::string compiled_architectures() {
  std::istringstream list(GRAFT_CUDA_ARCHITECTURES);
  std::string names;
  bool newer = false;  // PTX, which the driver can compile for what came later
  for (std::string one; list >> one;) {
    const std::size_t kind = one.find('-');
    newer = newer || kind == std::string::npos || one.substr(kind) == "-virtual";
    names += (names.empty() ? "sm_" : ", sm_") + one.substr(0, kind);
  }
  return newer ? names + " and newer" : names;
}

int driver_version() {
  int driver = 0;  // stays 0 where there is none
  return cudaDriverGetVersion(&driver) == cudaSuccess ? driver : 0;
}

void check_ordinal(int ordinal, int count) {
  if (ordinal >= 0 && ordinal < count) return;
  const std::string last = count == 1 ? "" : fmt::format(" to cuda:{}", count - 1);
  throw Error(ErrorKind::device, "there is no cuda:{}; this machine has {}{}: cuda:0{}", ordinal,
              counted(static_cast<std::uint64_t>(count), "GPU", "GPUs"), visible_devices(), last);
}

// Loads the code of a kernel.
void check_architecture(const Device& device) {
  try {
    check_compiled_code();
  } catch (const Failure& failure) {
    switch (failure.code()) {
      case cudaErrorNoKernelImageForDevice:
      case cudaErrorInvalidDeviceFunction:
      case cudaErrorUnsupportedPtxVersion:
      case cudaErrorInvalidPtx:
        cudaGetLastError();
        throw Error(ErrorKind::device,
                    "{} is sm_{}, and this program was compiled for {}; build it with "
                    "-DGRAFT_CUDA_ARCHITECTURES={}",
                    device.name(), device.compute_capability(), compiled_architectures(),
                    device.compute_capability());
      default:
        throw;
    }
  }
}

}  // namespace

int device_count() {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  const int driver = driver_version();
  if (code == cudaErrorInsufficientDriver || code == cudaErrorStubLibrary) {
    if (driver == 0) {
      throw Error(
          ErrorKind::device,
          "no NVIDIA driver is installed, or the container does not pass it on; CUDA {} needs one",
          version_text(CUDART_VERSION));
    }
    throw Error(ErrorKind::device,
                "the NVIDIA driver is too old: it serves CUDA {}, and this program was built with "
                "CUDA {}; update the driver",
                version_text(driver), version_text(CUDART_VERSION));
  }
  if (code == cudaErrorNoDevice || (code == cudaSuccess && count == 0)) {
    throw Error(ErrorKind::device,
                "the NVIDIA driver shows no GPU{}; nvidia-smi lists what there is",
                visible_devices());
  }
  check(code, "cudaGetDeviceCount(&count)", __FILE__, __LINE__);
  return count;
}

Device::Device(int ordinal) : ordinal_(ordinal) {
  const auto find = [&] {
    check_ordinal(ordinal, device_count());
    cudaDeviceProp properties{};
    GRAFT_CUDA_CHECK(cudaGetDeviceProperties(&properties, ordinal));
    name_ = properties.name;
    compute_capability_ = properties.major * 10 + properties.minor;
    memory_ = properties.totalGlobalMem;
    driver_version_ = driver_version();
    make_current();
    check_architecture(*this);
  };
  as_device_errors(first_cause_, fmt::format("the start of cuda:{}", ordinal), find);
}

std::string Device::description() const {
  constexpr double gib = std::size_t{1} << 30U;
  return fmt::format("{} (cuda:{}), sm_{}, {:.0f} GiB, driver for CUDA {}", name_, ordinal_,
                     compute_capability_, static_cast<double>(memory_) / gib,
                     version_text(driver_version_));
}

bool Device::has_timer() const {
  return dlsym(RTLD_DEFAULT, "vgpu_error_count") == nullptr;
}

Device::Memory Device::memory_now() const {
  Memory memory{};
  GRAFT_CUDA_CHECK(cudaMemGetInfo(&memory.free, &memory.total));
  return memory;
}

}  // namespace graft::cuda
