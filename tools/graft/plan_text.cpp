#include "tools/graft/plan_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/json.h"
#include "engine/base/text.h"

namespace graft::program {
namespace {

constexpr std::string_view disclaimer =
    "These times are bounds from nominal figures, not measurements: no GPU was used, a real one is "
    "slower.\nEach plane counts as read from and written to the device memory; one that stays in "
    "the L2 cache, as of a\nsmall batch, may cost less.\n";

std::string_view name_of(Limiter limiter) {
  return limiter == Limiter::memory ? "memory" : "arithmetic";
}

std::string mib(std::size_t bytes) {
  return fmt::format("{:.1f}", static_cast<double>(bytes) / (1024.0 * 1024.0));
}

std::string gib(std::size_t bytes) {
  return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1024.0 * 1024.0 * 1024.0));
}

// The engine, its notes, and the kernel that follows where one does.
std::string how(const PlannedLayer& layer) {
  std::string text = layer.engine;
  if (!layer.notes.empty()) text += fmt::format(" ({})", fmt::join(layer.notes, ", "));
  if (layer.fused_bias_relu) return text + "; bias and ReLU within";
  return layer.epilogue_bytes > 0.0 ? text + "; a kernel after it" : text;
}

using Line = std::array<std::string, 7>;

Line line_of(const PlannedLayer& layer, const LayerBound& bound) {
  return {layer.name,
          fmt::format("{:.2f}", layer.convolution_flop * 1e-9),
          fmt::format("{:.1f}", (layer.convolution_bytes + layer.epilogue_bytes) * 1e-6),
          mib(layer.workspace_bytes),
          fmt::format("{:.1f}", bound.seconds() * 1e6),
          std::string(name_of(bound.limiter())),
          how(layer)};
}

// Numbers to the right, words to the left.
std::string table_of(const std::vector<Line>& lines) {
  constexpr std::array is_number = {false, true, true, true, true, false, false};
  std::array<std::size_t, std::tuple_size_v<Line>> widths{};
  for (const Line& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const Line& line : lines) {
    for (std::size_t i = 0; i + 1 < line.size(); ++i) {
      text += is_number[i] ? fmt::format("{:>{}}  ", line[i], widths[i])
                           : fmt::format("{:<{}}  ", line[i], widths[i]);
    }
    text += line.back() + '\n';
  }
  return text;
}

std::string gpu_text(const GpuPlan& plan) {
  const Gpu& gpu = plan.gpu;
  const Precision precision = plan.options.precision;
  return fmt::format(
      "{} (sm_{}): {} multiprocessors, {}, {:.0f} GB/s, {:.1f} TFLOP/s in {}\n"
      "  from: {}\n",
      gpu.properties.name, gpu.properties.compute_capability, gpu.properties.multiprocessors,
      gib(plan.memory), gpu.bandwidth * 1e-9, peak_flop_per_second(gpu, precision) * 1e-12,
      graft::name_of(precision), gpu.source);
}

std::string memory_text(const GpuPlan& plan) {
  const BackboneMemory& memory = plan.plan.memory;
  std::string text = "device memory, MiB\n";
  for (const auto& [name, bytes] : {std::pair{"activations, 2 planes", 2 * memory.activation_bytes},
                                    {"workspace", memory.workspace_bytes},
                                    {"weights", memory.weight_bytes},
                                    {"images under way", memory.image_bytes},
                                    {"features under way", memory.feature_bytes},
                                    {"in all", memory.total()}}) {
    text += fmt::format("  {:<22}{:>10}\n", name, mib(bytes));
  }
  text +=
      fmt::format("{} of {} may be used (a sixteenth is left to the driver): {}\n",
                  gib(plan.usable), gib(plan.memory), plan.fits ? "it fits" : "it does NOT fit");
  text += plan.largest_batch == 0
              ? "not one image fits\n"
              : fmt::format("the largest batch that fits, of the powers of two up to {}: {}\n",
                            most_useful_batch, plan.largest_batch);
  return text;
}

Json layer_json(const PlannedLayer& layer, const LayerBound& bound) {
  Json json;
  json["name"] = layer.name;
  json["engine"] = layer.engine;
  json["notes"] = layer.notes;
  json["fused_bias_relu"] = layer.fused_bias_relu;
  json["workspace_bytes"] = layer.workspace_bytes;
  json["convolution_flop"] = layer.convolution_flop;
  json["convolution_bytes"] = layer.convolution_bytes;
  json["epilogue_bytes"] = layer.epilogue_bytes;
  json["bound_seconds"] = bound.seconds();
  json["limited_by"] = name_of(bound.limiter());
  return json;
}

Json gpu_json(const GpuPlan& plan) {
  const Gpu& gpu = plan.gpu;
  Json json;
  json["name"] = gpu.properties.name;
  json["architecture"] = fmt::format("sm_{}", gpu.properties.compute_capability);
  json["multiprocessors"] = gpu.properties.multiprocessors;
  json["memory_bytes"] = plan.memory;
  json["usable_bytes"] = plan.usable;
  json["bytes_per_second"] = gpu.bandwidth;
  json["flop_per_second"] = peak_flop_per_second(gpu, plan.options.precision);
  json["source"] = gpu.source;
  return json;
}

}  // namespace

std::string plan_text(const GpuPlan& plan) {
  const BackboneOptions& options = plan.options;
  std::string text = gpu_text(plan);
  text += fmt::format("VGG16 at {}×{}, batch {}, {}; plans of cuDNN {}, by its heuristics\n\n",
                      options.image_size.height, options.image_size.width, options.batch_size,
                      graft::name_of(options.precision), plan.plan.cudnn_version);
  std::vector<Line> lines = {
      {"layer", "GFLOP", "MB", "workspace MiB", "at least us", "limited by", "how"}};
  for (std::size_t i = 0; i < plan.plan.layers.size(); ++i)
    lines.push_back(line_of(plan.plan.layers[i], plan.bound.layers[i]));
  lines.push_back({"in all", fmt::format("{:.2f}", plan.bound.flop * 1e-9),
                   fmt::format("{:.1f}", plan.bound.bytes * 1e-6),
                   mib(plan.plan.memory.workspace_bytes),
                   fmt::format("{:.1f}", plan.bound.seconds * 1e6),
                   std::string(name_of(plan.bound.limiter())), ""});
  text += table_of(lines);
  text += fmt::format(
      "\nat most {:.0f} images/s, limited by {}; reading and decoding them is not in it\n",
      plan.images_per_second(), name_of(plan.bound.limiter()));
  return text + std::string(disclaimer) + '\n' + memory_text(plan);
}

std::string plan_json(const GpuPlan& plan) {
  const BackboneOptions& options = plan.options;
  const BackboneMemory& memory = plan.plan.memory;
  Json json;
  json["version"] = plan_json_version;
  json["note"] = "bounds from nominal figures, not measurements";
  json["gpu"] = gpu_json(plan);
  json["cudnn"] = plan.plan.cudnn_version;
  json["image_size"] = {options.image_size.height, options.image_size.width};
  json["batch_size"] = options.batch_size;
  json["precision"] = graft::name_of(options.precision);
  json["layers"] = Json::array();
  for (std::size_t i = 0; i < plan.plan.layers.size(); ++i)
    json["layers"].push_back(layer_json(plan.plan.layers[i], plan.bound.layers[i]));
  json["bound"] = {{"flop", plan.bound.flop},
                   {"bytes", plan.bound.bytes},
                   {"seconds", plan.bound.seconds},
                   {"images_per_second", plan.images_per_second()},
                   {"limited_by", name_of(plan.bound.limiter())}};
  json["memory"] = {{"activation_bytes", 2 * memory.activation_bytes},
                    {"workspace_bytes", memory.workspace_bytes},
                    {"weight_bytes", memory.weight_bytes},
                    {"image_bytes", memory.image_bytes},
                    {"feature_bytes", memory.feature_bytes},
                    {"total_bytes", memory.total()}};
  json["fits"] = plan.fits;
  json["largest_batch"] = plan.largest_batch;
  return json.dump(2) + '\n';
}

std::uint64_t parse_memory(std::string_view text) {
  constexpr std::array units = {std::pair{std::string_view("GiB"), 1073741824.0},
                                std::pair{std::string_view("MiB"), 1048576.0},
                                std::pair{std::string_view("GB"), 1e9},
                                std::pair{std::string_view("MB"), 1e6}};
  constexpr double most = 1e15;
  for (const auto& [unit, factor] : units) {
    if (!text.ends_with(unit)) continue;
    std::string number(text.substr(0, text.size() - unit.size()));
    while (number.ends_with(' ')) number.pop_back();
    const bool plain = !number.empty() && number.find_first_not_of("0123456789.") == number.npos &&
                       std::count(number.begin(), number.end(), '.') <= 1 && number != ".";
    const double bytes = plain && number.size() < 20 ? std::stod(number) * factor : 0.0;
    if (bytes >= 1.0 && bytes <= most) return static_cast<std::uint64_t>(bytes);
    break;
  }
  throw Error(ErrorKind::usage,
              fmt::format("--memory {}: write it as 24GiB, 24GB or 8192MiB", printable(text, 100)));
}

const Gpu& chosen_gpu(const std::string& gpu, const std::string& architecture) {
  if (gpu.empty() == architecture.empty())
    throw Error(ErrorKind::usage, "give one of --gpu and --arch: --gpu \"RTX 4090\", say");
  if (!architecture.empty()) {
    for (const int number : gpu_architectures()) {
      if (architecture == fmt::format("sm_{}", number)) return *representative_gpu(number);
    }
    throw Error(ErrorKind::usage,
                fmt::format("--arch {}: no such architecture in the table; there are sm_{}",
                            printable(architecture, 100), fmt::join(gpu_architectures(), ", sm_")));
  }
  if (const Gpu* found = find_gpu(gpu)) return *found;
  std::vector<std::string> like = gpu_names_like(gpu);
  if (like.empty()) {
    const std::vector<std::string> names = gpu_names();
    if (const auto near = nearest(gpu, names)) like.push_back(*near);
  }
  throw Error(
      ErrorKind::usage,
      fmt::format("--gpu {}: no such GPU in the table; {}", printable(gpu, 100),
                  like.empty() ? fmt::format("there are {}", fmt::join(gpu_names(), ", "))
                               : fmt::format("did you mean \"{}\"?", fmt::join(like, "\" or \""))));
}

}  // namespace graft::program
