#pragma once
// Output and arguments of `graft plan`.

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/forecast/gpu_forecast.h"

namespace graft::program {

// A table of the layers, the totals, the memory. Ends in a newline.
std::string forecast_text(const GpuForecast& forecast);

inline constexpr int forecast_json_version = 2;
// {"version": 2, "gpu": …, "cudnn": …, "layers": [...], "bound": …, "memory": …}; bytes, FLOP and
// seconds without prefixes. Ends in a newline.
std::string forecast_json(const GpuForecast& forecast);

// "24GiB", "24 GB", "512MiB". Throws Error(usage).
std::uint64_t parse_memory(std::string_view text);

// The GPU of --gpu or --arch, of which one is given. Throws Error(usage) with the known ones.
const Gpu& chosen_gpu(const std::string& gpu, const std::string& architecture);

}  // namespace graft::program
