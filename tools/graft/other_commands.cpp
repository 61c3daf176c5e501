// weights, config and --version: the commands that run no job.

#include <fmt/format.h>

#include <cstdio>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "engine/weights/vgg16_weights.h"
#include "kernels/cpu/isa.h"
#include "tools/graft/build_identity.h"
#include "tools/graft/commands.h"
#include "tools/graft/explain.h"
#include "tools/graft/standard_output.h"

namespace graft::program {
namespace {

std::uint64_t count_of(const WeightsFileEntry& entry) {
  std::uint64_t count = 1;
  for (const std::size_t extent : entry.shape) count *= extent;
  return count;
}

void warn_unless_there(std::string_view key, const std::filesystem::path& path) {
  std::error_code failure;
  if (path.empty() || std::filesystem::exists(path, failure)) return;
  fmt::print(stderr, "warning: {}: there is no {} yet\n", key, printable(path.string(), 1000));
}

}  // namespace

int import_weights_command(const Request& request) {
  const std::filesystem::path output = request.output_file;
  if (output.extension() != ".safetensors")
    throw Error(ErrorKind::usage,
                fmt::format("--output {}: the file that is made ends in .safetensors",
                            printable(request.output_file, 300)));
  const Vgg16Weights weights = load_vgg16_weights(request.inputs.at(0));
  save_vgg16_weights(output, weights);
  write_result(fmt::format("{}: {} parameters from {}, digest {}\n", output.string(),
                           grouped(vgg16_parameters), weights.source, weights.digest.hex()));
  flush_results();
  return 0;
}

int show_weights_command(const Request& request) {
  const WeightsFileSummary summary = describe_weights_file(request.inputs.at(0));
  std::string text = fmt::format("format: {}\n", summary.format);
  for (const auto& [name, value] : summary.metadata)
    text += fmt::format("{}: {}\n", printable(name, 100), printable(value, 300));
  std::size_t width = 0;
  std::uint64_t total = 0;
  for (const WeightsFileEntry& entry : summary.tensors) {
    width = std::max(width, std::min<std::size_t>(entry.name.size(), 60));
    total += count_of(entry);
  }
  for (const WeightsFileEntry& entry : summary.tensors)
    text += fmt::format("  {:<{}}  [{}]\n", printable(entry.name, 200), width,
                        fmt::join(entry.shape, ", "));
  text += fmt::format("{} tensors, {} values\n", summary.tensors.size(), grouped(total));
  write_result(text);
  flush_results();
  return 0;
}

int check_config_command(const Request& request) {
  const Config config = load_config(request.config, request.settings, process_environment());
  write_result(effective_config(config));
  flush_results();
  if (request.quiet) return 0;
  warn_unless_there("data.train", config.data.train);
  warn_unless_there("data.validation", config.data.validation);
  warn_unless_there("backbone.weights", config.backbone.weights);
  fmt::print(stderr, "{}: this config is right\n", printable(request.config, 300));
  return 0;
}

int explain_config_command(const Request& request) {
  write_result(request.markdown ? explain_as_markdown() : explain_for_terminal(request.key));
  flush_results();
  return 0;
}

std::string version_text() {
  const bench::BuildIdentity build = build_identity();
  const std::string commit =
      build.commit.empty() ? "not known" : build.commit + (build.dirty ? ", with changes" : "");
  return fmt::format("graft {}\ncommit: {}\ncompiler: {}\nCUDA parts: {}\nvector unit in use: {}\n",
                     build.version, commit, build.compiler,
                     GRAFT_HAS_CUDA != 0 ? "built" : "not built", cpu::name_of(cpu::best_isa()));
}

}  // namespace graft::program
