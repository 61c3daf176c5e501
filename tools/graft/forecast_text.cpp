#include "tools/graft/forecast_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/json.h"
#include "engine/base/text.h"

namespace graft::program {
namespace {

constexpr std::string_view disclaimer =
    "These times are bounds from nominal figures, not measurements: no GPU was used, and a real "
    "one is slower.\nEvery feature map counts as written to and read from device memory. With a "
    "small batch some stay in the\nL2 cache and cost less.\n";

std::string_view name_of(Limiter limiter) {
  return limiter == Limiter::memory ? "memory" : "arithmetic";
}

std::string mib(std::size_t bytes) {
  return fmt::format("{:.1f}", static_cast<double>(bytes) / (1024.0 * 1024.0));
}

std::string gib(std::size_t bytes) {
  return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1024.0 * 1024.0 * 1024.0));
}

// The engine, its notes, and the kernel that follows, if any.
std::string method_of(const LayerForecast& layer) {
  std::string text = layer.engine;
  if (!layer.notes.empty()) text += fmt::format(" ({})", fmt::join(layer.notes, ", "));
  if (layer.fused_bias_relu) return text + "; bias and ReLU fused";
  if (layer.global_pool) return text + "; then 2 kernels";
  return layer.epilogue_bytes > 0.0 ? text + "; then a kernel" : text;
}

std::string layer_table(const GpuForecast& forecast) {
  TextTable table({{"layer", Align::left},
                   {"GFLOP"},
                   {"MB"},
                   {"workspace MiB"},
                   {"at least us"},
                   {"limited by", Align::left},
                   {"engine", Align::left}});
  const auto row = [&](const std::string& name, double flop, double bytes, std::size_t workspace,
                       double seconds, Limiter limiter, const std::string& engine) {
    table.row({name, fmt::format("{:.2f}", flop * 1e-9), fmt::format("{:.1f}", bytes * 1e-6),
               mib(workspace), fmt::format("{:.1f}", seconds * 1e6), std::string(name_of(limiter)),
               engine});
  };
  for (std::size_t i = 0; i < forecast.backbone.layers.size(); ++i) {
    const LayerForecast& layer = forecast.backbone.layers[i];
    const LayerBound& bound = forecast.bound.layers[i];
    row(layer.name, layer.convolution_flop, layer.convolution_bytes + layer.epilogue_bytes,
        layer.workspace_bytes, bound.seconds(), bound.limiter(), method_of(layer));
  }
  row("total", forecast.bound.flop, forecast.bound.bytes, forecast.backbone.memory.workspace_bytes,
      forecast.bound.seconds, forecast.bound.limiter(), "");
  return table.text();
}

std::string gpu_text(const GpuForecast& forecast) {
  const Gpu& gpu = forecast.gpu;
  const Precision precision = forecast.options.precision;
  return fmt::format(
      "{} (sm_{}): {} multiprocessors, {}, {:.0f} GB/s, {:.1f} TFLOP/s in {}\n"
      "  from: {}\n",
      gpu.properties.name, gpu.properties.compute_capability, gpu.properties.multiprocessors,
      gib(gpu.properties.memory), gpu.bandwidth * 1e-9,
      peak_flop_per_second(gpu, precision) * 1e-12, graft::name_of(precision), gpu.source);
}

std::string memory_text(const GpuForecast& forecast) {
  const BackboneMemory& memory = forecast.backbone.memory;
  TextTable table({{"device memory", Align::left}, {"MiB"}});
  for (const auto& [name, bytes] :
       {std::pair{"activations, 2 buffers", 2 * memory.activation_bytes},
        {"workspace", memory.workspace_bytes},
        {"weights", memory.weight_bytes},
        {"images in flight", memory.image_bytes},
        {"features in flight", memory.feature_bytes},
        {"total", memory.total()}}) {
    table.row({name, mib(bytes)});
  }
  const GpuProperties& gpu = forecast.gpu.properties;
  const BackboneOptions& options = forecast.options;
  return table.text() +
         fmt::format(
             "{} of {} can be used (the driver keeps a sixteenth): {}\n"
             "backbone.precision \"auto\" is {} on this GPU; backbone.batch_size \"auto\" is {} in "
             "{}\n",
             gib(forecast.usable), gib(gpu.memory), forecast.fits ? "it fits" : "it does NOT fit",
             graft::name_of(automatic_precision(gpu.compute_capability)),
             automatic_batch(gpu.memory, options), graft::name_of(options.precision));
}

Json layer_json(const LayerForecast& layer, const LayerBound& bound) {
  return {{"name", layer.name},
          {"engine", layer.engine},
          {"notes", layer.notes},
          {"fused_bias_relu", layer.fused_bias_relu},
          {"workspace_bytes", layer.workspace_bytes},
          {"convolution_flop", layer.convolution_flop},
          {"convolution_bytes", layer.convolution_bytes},
          {"epilogue_bytes", layer.epilogue_bytes},
          {"bound_seconds", bound.seconds()},
          {"limited_by", name_of(bound.limiter())}};
}

Json gpu_json(const GpuForecast& forecast) {
  const Gpu& gpu = forecast.gpu;
  return {{"name", gpu.properties.name},
          {"architecture", fmt::format("sm_{}", gpu.properties.compute_capability)},
          {"multiprocessors", gpu.properties.multiprocessors},
          {"memory_bytes", gpu.properties.memory},
          {"usable_bytes", forecast.usable},
          {"bytes_per_second", gpu.bandwidth},
          {"flop_per_second", peak_flop_per_second(gpu, forecast.options.precision)},
          {"source", gpu.source}};
}

}  // namespace

std::string forecast_text(const GpuForecast& forecast) {
  const BackboneOptions& options = forecast.options;
  std::string text = gpu_text(forecast);
  text += fmt::format(
      "VGG16 at {}×{}, batch {}, {}; execution plans of cuDNN {}, by its heuristics\n"
      "features: {} values an image\n\n",
      options.image_size.height, options.image_size.width, options.batch_size,
      graft::name_of(options.precision), forecast.backbone.cudnn_version,
      vgg16_feature_shape(options.image_size, options.features).count());
  text += layer_table(forecast);
  text += fmt::format("\nat most {:.0f} images/s, limited by {}; without reading and decoding\n",
                      forecast.images_per_second(), name_of(forecast.bound.limiter()));
  return text + std::string(disclaimer) + '\n' + memory_text(forecast);
}

std::string forecast_json(const GpuForecast& forecast) {
  const BackboneOptions& options = forecast.options;
  const BackboneMemory& memory = forecast.backbone.memory;
  const GpuProperties& gpu = forecast.gpu.properties;
  Json json;
  json["version"] = forecast_json_version;
  json["note"] = "bounds from nominal figures, not measurements";
  json["gpu"] = gpu_json(forecast);
  json["cudnn"] = forecast.backbone.cudnn_version;
  json["image_size"] = {options.image_size.height, options.image_size.width};
  json["batch_size"] = options.batch_size;
  json["precision"] = graft::name_of(options.precision);
  json["features"] = vgg16_feature_shape(options.image_size, options.features).count();
  json["layers"] = Json::array();
  for (std::size_t i = 0; i < forecast.backbone.layers.size(); ++i)
    json["layers"].push_back(layer_json(forecast.backbone.layers[i], forecast.bound.layers[i]));
  json["bound"] = {{"flop", forecast.bound.flop},
                   {"bytes", forecast.bound.bytes},
                   {"seconds", forecast.bound.seconds},
                   {"images_per_second", forecast.images_per_second()},
                   {"limited_by", name_of(forecast.bound.limiter())}};
  json["memory"] = {{"activation_bytes", 2 * memory.activation_bytes},
                    {"workspace_bytes", memory.workspace_bytes},
                    {"weight_bytes", memory.weight_bytes},
                    {"image_bytes", memory.image_bytes},
                    {"feature_bytes", memory.feature_bytes},
                    {"total_bytes", memory.total()}};
  json["fits"] = forecast.fits;
  json["automatic"] = {{"precision", graft::name_of(automatic_precision(gpu.compute_capability))},
                       {"batch_size", automatic_batch(gpu.memory, options)}};
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
  throw Error(ErrorKind::usage, "--memory {}: write 24GiB, 24GB or 8192MiB", printable(text, 100));
}

const Gpu& chosen_gpu(const std::string& gpu, const std::string& architecture) {
  if (gpu.empty() == architecture.empty())
    throw Error(ErrorKind::usage, "give one of --gpu and --arch, such as --gpu \"RTX 4090\"");
  if (!architecture.empty()) {
    for (const int number : gpu_architectures()) {
      if (architecture == fmt::format("sm_{}", number)) return *representative_gpu(number);
    }
    throw Error(ErrorKind::usage, "--arch {}: no such architecture in the table; there are sm_{}",
                printable(architecture, 100), fmt::join(gpu_architectures(), ", sm_"));
  }
  if (const Gpu* found = find_gpu(gpu)) return *found;
  std::vector<std::string> like = gpu_names_like(gpu);
  if (like.empty()) {
    const std::vector<std::string> names = gpu_names();
    if (const auto near = nearest(gpu, names)) like.push_back(*near);
  }
  throw Error(ErrorKind::usage, "--gpu {}: no such GPU in the table; {}", printable(gpu, 100),
              like.empty() ? fmt::format("there are {}", fmt::join(gpu_names(), ", "))
                           : fmt::format("did you mean \"{}\"?", fmt::join(like, "\" or \"")));
}

}  // namespace graft::program
