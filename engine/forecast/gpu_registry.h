#pragma once
// GPUs by name, with the figures of their makers: so that one can be chosen before it is rented.
//
// Bandwidth and peaks are nominal: what the source of a row states, at the boost clock and without
// sparsity; no program reaches them. The rest is what a device reports to CUDA: multiprocessors,
// clocks, L2 cache, and memory, which is less than its name promises (ECC is on where that is the
// default).
//
// Every row was checked once against public copies of its source and public device queries. The
// data sheets themselves were not opened, but tables that quote them. Each peak was compared with
// multiprocessors × clock × rate of the architecture, as tests/forecast/gpu_registry_test.cpp
// repeats. Where no table states a peak, it is that product, and the source says so.

#include <string>
#include <string_view>
#include <vector>

#include "engine/backend/cuda_module.h"
#include "engine/config/config.h"

namespace graft {

struct Gpu {
  GpuProperties properties;
  double bandwidth = 0.0;  // of the device memory, bytes a second
  // FLOP a second at the boost clock, dense (no sparsity), summed in FP32; 0: it has no such
  // arithmetic. fp32 is that of the CUDA cores, the others that of the tensor cores.
  double fp32 = 0.0, tf32 = 0.0, fp16 = 0.0, bf16 = 0.0;
  std::string source;  // what states bandwidth and peaks
};

// In the order of architectures, then of size.
const std::vector<Gpu>& gpu_registry();

// By name in any spelling: "rtx4090" and "NVIDIA GeForce RTX 4090" are "RTX 4090". Null when the
// registry does not have it.
const Gpu* find_gpu(std::string_view name);
// The names that contain `name`, in any spelling: "a100" gives three.
std::vector<std::string> gpu_names_like(std::string_view name);
std::vector<std::string> gpu_names();

// The GPU that represents an architecture, 80 for sm_80. Null when the registry has none of it.
const Gpu* representative_gpu(int compute_capability);
std::vector<int> gpu_architectures();  // ascending

double peak_flop_per_second(const Gpu& gpu, Precision precision);

}  // namespace graft
