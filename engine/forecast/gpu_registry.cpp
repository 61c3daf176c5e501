#include "engine/forecast/gpu_registry.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "engine/base/text.h"

namespace graft {
namespace {

// Properties of all GPUs of one architecture. Source: CUDA Programming Guide, "Compute
// Capabilities", and the same in NVIDIA/cccl, libcudacxx/include/cuda/__device/arch_traits.h.
struct Architecture {
  int compute_capability;
  int shared_kib;  // of a block, with opt-in
  int blocks, threads;
  std::string_view representative;
};
constexpr std::array architectures = {
    Architecture{75, 64, 16, 1024, "T4"},        Architecture{80, 163, 32, 2048, "A100 80GB"},
    Architecture{86, 99, 16, 1536, "RTX 3090"},  Architecture{89, 99, 24, 1536, "RTX 4090"},
    Architecture{90, 227, 32, 2048, "H100 SXM"}, Architecture{100, 227, 32, 2048, "B200"},
    Architecture{120, 99, 24, 1536, "RTX 5090"},
};

struct Row {
  std::string_view name;
  int compute_capability;
  int multiprocessors;
  int clock_mhz, memory_clock_mhz;
  double l2_mib;
  int memory_mib;
  double bandwidth;               // GB/s
  double fp32, tf32, fp16, bf16;  // TFLOP/s
  std::string_view source;
};

constexpr std::string_view ga102 = "NVIDIA Ampere GA102 GPU Architecture whitepaper, v2";
constexpr std::string_view ada = "NVIDIA Ada GPU Architecture whitepaper, v2";
constexpr std::string_view a100 = "NVIDIA A100 Tensor Core GPU data sheet";
constexpr std::string_view h100 =
    "NVIDIA H100 Tensor Core GPU data sheet and architecture whitepaper";

// Sources of clocks, caches and memory: openxla/xla, xla/backends/gpu/target_config/specs (A100, RTX
// A6000, H100, B200), and outputs of deviceQuery, nvidia-smi and PyTorch in public repositories.
// Two caches differ from often quoted figures: an RTX 3060 has 2.25 of the die's 3 MiB, and an H200
// 60 MiB, where an H100 has 50. No such output was found for the RTX 4070 (all is from its source),
// the memory of the RTX 4060 Ti with 8 GB (nominal), and the caches and memory clocks of A30 and
// RTX 4080 (from their sources). The tensor cores of H100, H200 and B200 run at a lower clock than
// the CUDA cores; the peaks include it. The H100 PCIe's data sheet rounds the bandwidth to 2 TB/s:
// the row has bus × clock.
constexpr std::array rows = {
    Row{"T4", 75, 40, 1590, 5001, 4, 15110, 320, 8.1, 0, 65, 0, "NVIDIA T4 data sheet"},
    Row{"A30", 80, 56, 1440, 1215, 24, 24062, 933, 10.3, 82.6, 165, 165,
        "sysrqmts.com, NVIDIA A30 PCIe; tensor peaks: the A100's rates at its clock"},
    Row{"A100 40GB", 80, 108, 1410, 1215, 40, 40339, 1555, 19.5, 156, 312, 312, a100},
    Row{"A100 80GB PCIe", 80, 108, 1410, 1512, 40, 81038, 1935, 19.5, 156, 312, 312, a100},
    Row{"A100 80GB", 80, 108, 1410, 1593, 40, 81157, 2039, 19.5, 156, 312, 312, a100},
    Row{"RTX 3060", 86, 28, 1777, 7501, 2.25, 12044, 360, 12.7, 12.7, 25.5, 25.5,
        "sysrqmts.com, GeForce RTX 3060; tensor peaks: the RTX 3090's rates at its clock"},
    Row{"RTX 3080", 86, 68, 1710, 9501, 5, 9987, 760, 29.8, 29.8, 59.5, 59.5, ga102},
    Row{"RTX 3090", 86, 82, 1695, 9751, 6, 24238, 936, 35.6, 35.6, 71, 71, ga102},
    Row{"A10", 86, 72, 1695, 6251, 6, 22516, 600, 31.2, 62.5, 125, 125,
        "NVIDIA A10 Tensor Core GPU data sheet"},
    Row{"A40", 86, 84, 1740, 7251, 6, 45403, 696, 37.4, 74.8, 149.7, 149.7,
        "NVIDIA A40 data sheet"},
    Row{"RTX A6000", 86, 84, 1800, 8001, 6, 48676, 768, 38.7, 77.4, 154.8, 154.8, ga102},
    Row{"RTX 4060 Ti", 89, 34, 2535, 9001, 32, 8192, 288, 22.1, 22.1, 44.1, 44.1,
        "thefpsreview.com, GeForce RTX 4060 Ti; peaks: the RTX 4090's rates at its clock"},
    Row{"RTX 4070", 89, 46, 2475, 10501, 36, 12288, 504, 29.1, 29.1, 58.3, 58.3,
        "club386.com, GeForce RTX 4070; tensor peaks: the RTX 4090's rates at its clock"},
    Row{"RTX 4080", 89, 76, 2505, 11201, 64, 16049, 717, 48.7, 48.7, 97.5, 97.5, ada},
    Row{"RTX 4090", 89, 128, 2520, 10501, 72, 24081, 1008, 82.6, 82.6, 165.2, 165.2, ada},
    Row{"L4", 89, 58, 2040, 6251, 48, 22518, 300, 30.3, 60, 121, 121, "NVIDIA L4 data sheet"},
    Row{"L40S", 89, 142, 2520, 9001, 96, 45373, 864, 91.6, 183, 362, 362, "NVIDIA L40S data sheet"},
    Row{"H100 PCIe", 90, 114, 1755, 1593, 50, 81007, 2039, 51.2, 378, 756, 756, h100},
    Row{"H100 SXM", 90, 132, 1980, 2619, 50, 81007, 3350, 66.9, 494.7, 989.4, 989.4, h100},
    Row{"H200", 90, 132, 1980, 3201, 60, 143156, 4800, 66.9, 494.7, 989.4, 989.4,
        "NVIDIA H200 Tensor Core GPU data sheet; peaks as the H100's whitepaper has them"},
    Row{"B200", 100, 148, 1965, 3996, 126.5, 182642, 7700, 75, 1100, 2250, 2250,
        "NVIDIA Blackwell data sheet, one GPU of HGX B200"},
    Row{"RTX 5090", 120, 170, 2407, 14001, 96, 32101, 1792, 104.8, 104.8, 209.5, 209.5,
        "NVIDIA RTX Blackwell GPU Architecture whitepaper"},
};

Gpu gpu_of(const Row& row) {
  const Architecture& architecture =
      *std::ranges::find(architectures, row.compute_capability, &Architecture::compute_capability);
  constexpr std::size_t mib = std::size_t{1} << 20U;
  Gpu gpu;
  GpuProperties& properties = gpu.properties;
  properties.name = row.name;
  properties.compute_capability = row.compute_capability;
  properties.multiprocessors = row.multiprocessors;
  properties.shared_memory_per_block = std::size_t{1024} * architecture.shared_kib;
  properties.blocks_per_multiprocessor = architecture.blocks;
  properties.threads_per_multiprocessor = architecture.threads;
  properties.l2_cache = static_cast<std::size_t>(row.l2_mib * mib);
  properties.memory = mib * row.memory_mib;
  properties.clock_khz = row.clock_mhz * 1000;
  properties.memory_clock_khz = row.memory_clock_mhz * 1000;
  gpu.bandwidth = row.bandwidth * 1e9;
  gpu.fp32 = row.fp32 * 1e12;
  gpu.tf32 = row.tf32 * 1e12;
  gpu.fp16 = row.fp16 * 1e12;
  gpu.bf16 = row.bf16 * 1e12;
  gpu.source = row.source;
  return gpu;
}

// "NVIDIA GeForce RTX-4090" → "rtx4090".
std::string folded(std::string_view name) {
  std::string word = lower_case(name);
  std::erase_if(word, [](unsigned char byte) { return std::isalnum(byte) == 0; });
  for (const std::string_view maker : {"nvidia", "geforce", "tesla"}) {
    if (word.starts_with(maker)) word.erase(0, maker.size());
  }
  return word;
}

}  // namespace

const std::vector<Gpu>& gpu_registry() {
  static const std::vector<Gpu> gpus = [] {
    std::vector<Gpu> made;
    made.reserve(rows.size());
    for (const Row& row : rows) made.push_back(gpu_of(row));
    return made;
  }();
  return gpus;
}

const Gpu* find_gpu(std::string_view name) {
  const std::string wanted = folded(name);
  for (const Gpu& gpu : gpu_registry()) {
    if (folded(gpu.properties.name) == wanted) return &gpu;
  }
  return nullptr;
}

std::vector<std::string> gpu_names_like(std::string_view name) {
  std::vector<std::string> names;
  const std::string part = folded(name);
  if (part.empty()) return names;
  for (const Gpu& gpu : gpu_registry()) {
    if (folded(gpu.properties.name).find(part) != std::string::npos)
      names.push_back(gpu.properties.name);
  }
  return names;
}

std::vector<std::string> gpu_names() {
  std::vector<std::string> names;
  for (const Gpu& gpu : gpu_registry()) names.push_back(gpu.properties.name);
  return names;
}

const Gpu* representative_gpu(int compute_capability) {
  const auto found =
      std::ranges::find(architectures, compute_capability, &Architecture::compute_capability);
  return found == architectures.end() ? nullptr : find_gpu(found->representative);
}

std::vector<int> gpu_architectures() {
  std::vector<int> numbers;
  for (const Architecture& one : architectures) numbers.push_back(one.compute_capability);
  return numbers;
}

double peak_flop_per_second(const Gpu& gpu, Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return gpu.fp32;
    case Precision::tf32:
      return gpu.tf32;
    case Precision::fp16:
      return gpu.fp16;
    case Precision::bf16:
      return gpu.bf16;
  }
  return 0.0;
}

}  // namespace graft
