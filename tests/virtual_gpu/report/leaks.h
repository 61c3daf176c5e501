#pragma once
// Counts of what is still allocated, for the report at exit.

#include <cstddef>

namespace vgpu {

std::size_t live_host_allocations();  // runtime/memory_calls.cpp
std::size_t live_graphs();            // runtime/stream_calls.cpp
std::size_t live_cublas_handles();    // libraries/cublas_lt.cpp: handles and descriptors
std::size_t live_cudnn_handles();     // libraries/cudnn.cpp
std::size_t live_cudnn_descriptors();
int report_leaks();  // adds each kind to the errors; returns how many

}  // namespace vgpu
