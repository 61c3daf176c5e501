#pragma once
// The engine's spans as NVTX ranges, for Nsight Systems, Nsight Compute and other NVTX tools: in the
// domain "graft", one range a span on its thread, with the span's number as payload and its name
// registered once; also the names of threads and CUDA streams.
//
// NVTX loads its tool from the environment variable NVTX_INJECTION64_PATH. nsys sets it when it
// traces nvtx, ncu with --nvtx. Without it this tracer has no effect.

#include <memory>

#include "engine/base/trace.h"

namespace graft {

// False in a build without the CUDA toolkit, whose include folder has NVTX.
bool has_nvtx();
// Throws Error(usage) where has_nvtx() is false.
std::unique_ptr<Tracer> make_nvtx_tracer();

}  // namespace graft
