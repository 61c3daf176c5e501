#pragma once
// For functions that run on the CPU and on the GPU. Always inlined: a kernel that includes them is
// compiled for one vector unit, and must leave no copy that the linker could give to code for
// another.

#if defined(__CUDACC__)
#define GRAFT_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define GRAFT_HOST_DEVICE __attribute__((always_inline)) inline
#endif
