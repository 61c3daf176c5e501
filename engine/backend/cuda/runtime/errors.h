#pragma once
// What becomes of a failed call. Inside this folder it is an exception with the call's expression,
// code, meaning and place: Failure (kernels/cuda/check.h) for CUDA's runtime, LibraryFailure for
// cuBLAS and cuDNN. At the public methods of the backend's classes both become
// Error(ErrorKind::device): what could not be done, why, and what to do.

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "kernels/cuda/check.h"

namespace graft::cuda {

// A call that a library refused. The message is in the style of Failure's:
//   cublasSetStream(handle, stream) failed with CUBLAS_STATUS_NOT_INITIALIZED (1): the library was
//   not initialized, at cuda_head.cpp:31
class LibraryFailure : public std::runtime_error {
 public:
  struct Status {
    int code;
    std::string_view name;     // CUBLAS_STATUS_NOT_INITIALIZED
    std::string_view meaning;  // may be empty
  };
  LibraryFailure(const Status& status, std::string_view expression, std::string_view file,
                 int line);
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

// The first sticky error of a device, so that whatever fails after it names the same cause. Shared
// by a backend and all that it made; any thread.
class FirstCause {
 public:
  void keep(std::exception_ptr cause);  // if none is kept yet
  void rethrow_if_kept() const;

 private:
  mutable std::mutex mutex_;
  std::exception_ptr cause_;
};

// For a catch (...): throws what is being handled again, a Failure or LibraryFailure as
// Error(ErrorKind::device), all else as it is. `task` is what could not be done, as the start of a
// sentence: "the backbone's batch".
[[noreturn]] void rethrow_as_device_error(FirstCause& first_cause, std::string_view task);

// Runs `work` and returns what it returns. After a sticky error nothing is run any more: the first
// cause is thrown again.
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
