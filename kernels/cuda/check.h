#pragma once
// Checks for calls of the CUDA runtime: an error becomes an exception with the expression, the code,
// its meaning and the place.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace graft::cuda {

// A status of a library of CUDA's.
struct CallStatus {
  int code;
  std::string_view name;     // cudaErrorMemoryAllocation
  std::string_view meaning;  // may be empty
};

// A call that such a library refused. The message has one sentence:
//   cudaMalloc(&data, bytes) failed with cudaErrorMemoryAllocation (2): out of memory, at
//   buffers.h:31
class CallFailure : public std::runtime_error {
 public:
  CallFailure(const CallStatus& status, std::string_view expression, std::string_view file,
              int line)
      : std::runtime_error(sentence(status, expression, file, line)) {}

 private:
  static std::string sentence(const CallStatus& status, std::string_view expression,
                              std::string_view file, int line) {
    std::string text(expression);
    text.append(" failed with ").append(status.name);
    text += " (" + std::to_string(status.code) + ')';
    if (!status.meaning.empty()) text.append(": ").append(status.meaning);
    text.append(", at ").append(file.substr(file.rfind('/') + 1));  // npos + 1 is 0
    return text + ':' + std::to_string(line);
  }
};

// Of the CUDA runtime.
class Failure : public CallFailure {
 public:
  Failure(cudaError_t code, std::string_view expression, std::string_view file, int line)
      : CallFailure({static_cast<int>(code), cudaGetErrorName(code), cudaGetErrorString(code)},
                    expression, file, line),
        code_(code) {}
  cudaError_t code() const { return code_; }

 private:
  cudaError_t code_;
};

inline void check(cudaError_t code, std::string_view expression, std::string_view file, int line) {
  if (code != cudaSuccess) throw Failure(code, expression, file, line);
}

// Throws Failure when `expression`, a call that returns cudaError_t, does not succeed.
#define GRAFT_CUDA_CHECK(expression) \
  ::graft::cuda::check((expression), #expression, __FILE__, __LINE__)

// After a kernel<<<…>>>(…): the launch itself, and any error of earlier work reported by now.
#define GRAFT_CUDA_CHECK_LAUNCH(kernel) \
  ::graft::cuda::check(cudaGetLastError(), "launch of " kernel, __FILE__, __LINE__)

// Blocks that cover `items` with `per_block` each. Throws std::length_error beyond what a grid
// holds.
inline unsigned blocks_for(std::size_t items, std::size_t per_block) {
  const std::size_t blocks = items / per_block + (items % per_block != 0 ? 1 : 0);
  if (blocks > 0x7FFFFFFFU) {
    throw std::length_error("a kernel over " + std::to_string(items) +
                            " items needs more blocks than a grid has (2147483647): use a smaller "
                            "batch");
  }
  return static_cast<unsigned>(blocks);
}

}  // namespace graft::cuda
