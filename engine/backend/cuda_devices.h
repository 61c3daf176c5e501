#pragma once
// What the CUDA runtime says about this machine. One of two sources is built: cuda_devices.cpp with
// the toolkit, cuda_devices_absent.cpp without.

#include <string>

namespace graft {

// A sentence that says why "device": "cuda" cannot be used here.
std::string why_no_cuda();

}  // namespace graft
