#pragma once
// What is still alive, for the report at exit.

#include <cstddef>

namespace vgpu {

std::size_t live_host_allocations();  // runtime_memory.cpp
std::size_t live_graphs();            // runtime_streams.cpp
std::size_t live_library_handles();   // cublas.cpp: handles and descriptors of cuBLAS
std::size_t live_cudnn_handles();     // cudnn.cpp
std::size_t live_cudnn_descriptors();
int report_leaks();  // adds each kind to the errors; returns how many

}  // namespace vgpu
