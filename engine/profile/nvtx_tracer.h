#pragma once
// The engine's spans as NVTX ranges, for Nsight Systems, Nsight Compute and other tools that listen
// to NVTX: in the domain "graft", one range a span on its thread, with the span's number as payload
// and its name registered once; names of threads, and of CUDA streams.
//
// NVTX finds its tool by the environment variable NVTX_INJECTION64_PATH, which nsys sets in the
// program that it starts when it traces nvtx, and ncu with --nvtx. A program without it need not
// make this tracer at all.

#include <memory>

#include "engine/base/trace.h"

namespace graft {

// False in a build without the CUDA toolkit, whose include folder has NVTX.
bool has_nvtx();
// Throws Error(usage) where has_nvtx() is false.
std::unique_ptr<Tracer> make_nvtx_tracer();

}  // namespace graft
