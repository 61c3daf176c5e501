#pragma once
// How every call of the CUDA runtime is checked: an error becomes an exception that says which
// expression, which code, what it means and where.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace graft::cuda {

// A call that the CUDA runtime refused. The message has one sentence:
//   cudaMalloc(&data, bytes) failed with cudaErrorMemoryAllocation (2): out of memory, at
//   buffers.h:31
class Failure : public std::runtime_error {
 public:
  Failure(cudaError_t code, std::string_view expression, std::string_view file, int line)
      : std::runtime_error(sentence(code, expression, file, line)), code_(code) {}
  cudaError_t code() const { return code_; }

 private:
  static std::string sentence(cudaError_t code, std::string_view expression, std::string_view file,
                              int line) {
    std::string text(expression);
    text += " failed with ";
    text += cudaGetErrorName(code);
    text += " (" + std::to_string(static_cast<int>(code)) + "): ";
    text += cudaGetErrorString(code);
    text += ", at ";
    text += file.substr(file.rfind('/') + 1);  // npos + 1 is 0
    return text + ':' + std::to_string(line);
  }

  cudaError_t code_;
};

inline void check(cudaError_t code, std::string_view expression, std::string_view file, int line) {
  if (code != cudaSuccess) throw Failure(code, expression, file, line);
}

// Throws Failure when `expression`, a call that returns cudaError_t, does not succeed.
#define GRAFT_CUDA_CHECK(expression) \
  ::graft::cuda::check((expression), #expression, __FILE__, __LINE__)

// After a kernel<<<…>>>(…): the launch itself, and any error of earlier work that has shown by now.
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
