#include "engine/backend/cuda/runtime/errors.h"

#include <fmt/format.h>

#include "engine/base/error.h"

namespace graft::cuda {
namespace {

// What to do about it.
std::string_view advice(cudaError_t code) {
  switch (code) {
    case cudaErrorMemoryAllocation:
      return "other programs may hold the GPU's memory: free it, or choose a smaller "
             "backbone.batch_size";
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContained:
      return "the GPU's hardware failed and the work on it is lost; what was written is safe: "
             "reset the GPU or take another, and start the run again to go on";
    case cudaErrorDevicesUnavailable:
      return "another program has the GPU for itself, or its compute mode allows none (nvidia-smi "
             "shows both): end that program, set the mode to Default, or take another GPU";
    case cudaErrorSystemNotReady:
      return "a service of the driver does not run; GPUs on an NVSwitch need nvidia-fabricmanager "
             "in the driver's version: start it (systemctl start nvidia-fabricmanager)";
    case cudaErrorSystemDriverMismatch:
      return "libcuda.so.1 and the driver in the kernel have different versions: reboot after an "
             "update of the driver, and give a container the libcuda.so.1 of its machine";
    case cudaErrorCompatNotSupportedOnDevice:
      return "libcuda.so.1 is that of cuda-compat, which does not support this GPU: take it out of "
             "LD_LIBRARY_PATH, and update the driver";
    case cudaErrorJitCompilerNotFound:
      return "the driver must compile for this GPU, and libnvidia-ptxjitcompiler.so.1 is missing: "
             "install it, or build with GRAFT_CUDA_ARCHITECTURES for this GPU";
    case cudaErrorJitCompilationDisabled:
      return "the driver must compile for this GPU, and CUDA_DISABLE_PTX_JIT or CUDA_DISABLE_JIT "
             "forbids it: unset it, or build with GRAFT_CUDA_ARCHITECTURES for this GPU";
    default:
      return is_sticky(code) ? "the work on the GPU is lost, what was written is safe: start the "
                               "run again to go on"
                             : "start the run again to go on from what was written";
  }
}

[[noreturn]] void fail(FirstCause& first_cause, std::string_view task, cudaError_t code,
                       const std::string& why) {
  const auto error = std::make_exception_ptr(
      Error(ErrorKind::device, fmt::format("{} failed: {}; {}", task, why, advice(code))));
  if (is_sticky(code)) first_cause.keep(error);
  std::rethrow_exception(error);
}

}  // namespace

void check_cublas(cublasStatus_t status, std::string_view expression, std::string_view file,
                  int line) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw LibraryFailure(
      {static_cast<int>(status), cublasGetStatusName(status), cublasGetStatusString(status)},
      expression, file, line);
}

bool is_sticky(cudaError_t code) {
  switch (code) {
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContained:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorContextIsDestroyed:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorTensorMemoryLeak:
    case cudaErrorExternalDevice:
    case cudaErrorUnknown:
      return true;
    default:
      return false;
  }
}

void FirstCause::keep(std::exception_ptr cause) {
  const std::lock_guard lock(mutex_);
  if (!cause_) cause_ = std::move(cause);
}

void FirstCause::rethrow_if_kept() const {
  const std::lock_guard lock(mutex_);
  if (cause_) std::rethrow_exception(cause_);
}

void rethrow_as_device_error(FirstCause& first_cause, std::string_view task) {
  // Clears an error that is not sticky: the next launch would report it.
  cudaError_t last = cudaGetLastError();
  try {
    throw;
  } catch (const Failure& failure) {
    fail(first_cause, task, failure.code(), failure.what());
  } catch (const LibraryFailure& failure) {
    // A library reports a lost device in its own words. It has a CUDA runtime of its own, so that
    // the last error here does not show it: the device is asked.
    if (!is_sticky(last)) last = cudaDeviceSynchronize();
    if (last != cudaSuccess) cudaGetLastError();
    if (!is_sticky(last)) fail(first_cause, task, cudaSuccess, failure.what());
    fail(first_cause, task, last,
         fmt::format("{}, after {} ({}): {}", failure.what(), cudaGetErrorName(last),
                     static_cast<int>(last), cudaGetErrorString(last)));
  }
}

}  // namespace graft::cuda
