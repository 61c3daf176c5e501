#pragma once
// What `graft plan` prints, and what it is asked.

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/forecast/gpu_forecast.h"

namespace graft::program {

// A table of the layers, the totals, the memory. Ends in a newline.
std::string plan_text(const GpuForecast& plan);

inline constexpr int plan_json_version = 1;
// {"version": 1, "gpu": …, "cudnn": …, "layers": [...], "bound": …, "memory": …}; bytes, FLOP and
// seconds without prefixes. Ends in a newline.
std::string plan_json(const GpuForecast& plan);

// "24GiB", "24 GB", "512MiB". Throws Error(usage).
std::uint64_t parse_memory(std::string_view text);

// From --gpu and --arch, of which one is given. Throws Error(usage) with what there is.
const Gpu& chosen_gpu(const std::string& gpu, const std::string& architecture);

}  // namespace graft::program
