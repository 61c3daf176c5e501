#pragma once
// Errors of the CUDA backend. Inside it a failed call is an exception with the call's expression,
// code, meaning and place: Failure (kernels/cuda/check.h) for CUDA's runtime, LibraryFailure for
// cuBLAS and cuDNN. At the public methods of the backend's classes both become
// Error(ErrorKind::device): what failed, why, and what to do.

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <exception>
#include <mutex>
#include <string_view>
#include <utility>

#include "kernels/cuda/check.h"

namespace graft::cuda {

// Of cuBLAS or cuDNN.
class LibraryFailure : public CallFailure {
 public:
  LibraryFailure(const CallStatus& status, std::string_view expression, std::string_view file,
                 int line)
      : CallFailure(status, expression, file, line), code_(status.code) {}
  int code() const { return code_; }

 private:
  int code_;
};

void check_cublas(cublasStatus_t status, std::string_view expression, std::string_view file,
                  int line);

// Throws LibraryFailure when `expression`, a call that returns cublasStatus_t, does not succeed.
#define GRAFT_CUBLAS_CHECK(expression) \
  ::graft::cuda::check_cublas((expression), #expression, __FILE__, __LINE__)

// Whether the error ends all work of this process on the device: every later call fails too.
bool is_sticky(cudaError_t code);

// The first sticky error of a device, so that all later failures name the same cause. Shared by a
// backend and all that it made; any thread.
class FirstCause {
 public:
  void keep(std::exception_ptr cause);  // if none is kept yet
  void rethrow_if_kept() const;

 private:
  mutable std::mutex mutex_;
  std::exception_ptr cause_;
};

// For a catch (...): rethrows a Failure or LibraryFailure as Error(ErrorKind::device), all else as it
// is. `task` is what failed, as the start of a sentence: "the backbone's batch".
[[noreturn]] void rethrow_as_device_error(FirstCause& first_cause, std::string_view task);

// Runs `work` and returns its result. After a sticky error nothing runs: the first cause is thrown
// again.
template <typename Work>
decltype(auto) as_device_errors(FirstCause& first_cause, std::string_view task, Work&& work) {
  first_cause.rethrow_if_kept();
  try {
    return std::forward<Work>(work)();
  } catch (...) {
    rethrow_as_device_error(first_cause, task);
  }
}

}  // namespace graft::cuda
