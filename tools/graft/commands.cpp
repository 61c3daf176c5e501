#include "tools/graft/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <utility>

#include "engine/backend/cpu/cpu_backend.h"
#include "engine/backend/cuda_module.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/text.h"
#include "engine/config/keys.h"
#include "engine/export/export.h"
#include "engine/job/job.h"
#include "engine/weights/vgg16_weights.h"
#include "tools/graft/build_identity.h"
#include "tools/graft/forecast_text.h"
#include "tools/graft/observers.h"
#include "tools/graft/path_reader.h"
#include "tools/graft/signals.h"
#include "tools/graft/standard_output.h"
#include "tools/graft/tracing.h"

namespace graft::program {
namespace {

constexpr std::size_t mistakes_shown = 10;

Config config_of(const Request& request) {
  return load_config(request.config, request.settings, process_environment());
}

// The path as a word of a shell command, relative if it is below the working folder.
std::string shell_word(const std::filesystem::path& path) {
  const auto relative = path.lexically_proximate(std::filesystem::current_path());
  const std::string text = shown(*relative.begin() == ".." ? path : relative);
  const auto is_special = [](char c) {
    return std::string_view(" \t\"'\\$`!*?[](){}<>|&;#~").find(c) != std::string_view::npos;
  };
  if (std::none_of(text.begin(), text.end(), is_special)) return text;
  return '\'' + replace_all(text, "'", R"('\'')") + '\'';
}

using Clock = std::chrono::steady_clock;

std::string time_since(Clock::time_point start) {
  return duration_text(std::chrono::duration<double>(Clock::now() - start).count());
}

// The last line of a command that wrote results to `results`; empty: it wrote none. `next`: the
// command to try now.
std::string closing_line(Clock::time_point start, const std::filesystem::path& results,
                         const Config& config, std::string_view next) {
  return fmt::format("done in {}{}; next: {}", time_since(start),
                     results.empty() ? "" : "; results in " + shell_word(results),
                     replace_all(next, "FOLDER", shell_word(config.output)));
}

constexpr std::string_view predict_next = "graft predict FOLDER PHOTO";

std::string evaluation_text(const Evaluation& evaluation, bool json) {
  return json ? evaluation_json(evaluation) : evaluation_table(evaluation, mistakes_shown);
}

// Returns the result to print; may be empty.
using Job = std::function<std::string(const Config&, const JobHooks&, Observer&, std::stop_token)>;

Job run_steps(const Request& request, Steps steps) {
  return [&request, steps](const Config& config, const JobHooks& hooks, Observer& observer,
                           std::stop_token stop) {
    const auto evaluation =
        run_job(config, steps, hooks, observer, std::move(stop), request.verify);
    return evaluation ? evaluation_text(*evaluation, request.json) : "";
  };
}

// A job that owns its output folder. The log is written there only once the folder is locked.
void run_in_output_folder(const Request& request, std::string_view command, std::string_view next,
                          const Job& job) {
  const auto start = Clock::now();
  const Config config = config_of(request);
  Tracing tracing(request, command, config, process_environment());
  Signals signals;
  TerminalObserver terminal(stderr, TerminalStyle::of(stderr, request.quiet));
  LogObserver log(terminal);
  log.write("start", fmt::format("graft {} {}", command, request.config));

  JobHooks hooks;
  tracing.attach(hooks);
  hooks.saves_work = [&](bool saves) {
    signals.set(saves ? FirstSignal::waits : FirstSignal::asks);
  };
  std::filesystem::path results = config.output;
  hooks.folder_locked = [&](const std::filesystem::path& folder) {
    results = folder;
    log.open(folder / "run.log");
  };
  std::string result;
  try {
    result = job(config, hooks, log, signals.stop_token());
  } catch (const std::exception& error) {
    signals.set(FirstSignal::waits);  // for the log and the trace
    log.write("error", error.what());
    tracing.finish_after_failure(log);
    throw;
  }
  tracing.finish(log);
  const std::string closing = closing_line(start, results, config, next);
  log.write("note", closing);
  if (const auto reason = log.failure()) terminal.warn(*reason);
  if (!result.empty()) print_result(result);
  terminal.note(closing);
}

// Of a finished run nothing can be changed that only training uses: it is in the classifier.
void refuse_training_settings(const Request& request, Config config) {
  std::error_code absent;
  if (request.settings.empty()) return;
  if (!std::filesystem::equivalent(request.config, config.output, absent)) return;
  Config recorded = load_config(request.config, {}, process_environment());
  const std::vector<ConfigKey> recorded_keys = keys_of(recorded);
  for (const ConfigKey& key : keys_of(config)) {
    const bool is_of_training = key.path.starts_with("train.") || key.section() == "head" ||
                                key.path == "seed" || key.path == "features.normalize";
    if (!is_of_training || value_of(key) == value_of(*find_key(recorded_keys, key.path))) continue;
    throw Error(ErrorKind::usage,
                "--set {}: only training uses this key, and the classifier is trained; leave it "
                "out, or train anew",
                key.path);
  }
}

FinishedRun run_of(const Request& request) {
  FinishedRun run = open_run([&] { return config_of(request); }, request.best);
  refuse_training_settings(request, run.config);
  return run;
}

const CudaModule& cuda_module_for_plan() {
  try {
    return cuda_module();
  } catch (const Error& error) {
    throw Error(error.kind(), "`graft plan` needs cuDNN, though no GPU: {}", error.what());
  }
}

void warn_if_missing(std::string_view key, const std::filesystem::path& path) {
  std::error_code failure;
  if (path.empty() || std::filesystem::exists(path, failure)) return;
  fmt::print(stderr, "warning: {}: there is no {} yet\n", key, shown(path));
}

}  // namespace

void run_command(const Request& request) {
  run_in_output_folder(request, "run", predict_next, run_steps(request, Steps::all));
}

void extract_command(const Request& request) {
  if (!request.shard)
    return run_in_output_folder(request, "extract", "graft train FOLDER",
                                run_steps(request, Steps::extract));
  const Shard shard = parse_shard(*request.shard, process_environment());
  run_in_output_folder(
      request, "extract --shard " + shard.text(), "`graft run` when all shards are done",
      [&](const Config& config, const JobHooks& hooks, Observer& observer, std::stop_token stop) {
        extract_shard_job(config, shard, hooks, observer, std::move(stop));
        return std::string();
      });
}

void train_command(const Request& request) {
  run_in_output_folder(request, "train", predict_next, run_steps(request, Steps::train));
}

void crossvalidate_command(const Request& request) {
  run_in_output_folder(
      request, "crossvalidate", "graft run FOLDER",
      [&](const Config& config, const JobHooks& hooks, Observer& observer, std::stop_token stop) {
        const CrossValidation result = crossvalidate_job(
            config, request.folds, request.seeds, hooks, observer, std::move(stop), request.verify);
        return request.json ? crossvalidation_json(result, config) : crossvalidation_table(result);
      });
}

void evaluate_command(const Request& request) {
  const auto start = Clock::now();
  refuse_config_as_target(request.config, "--output-file", request.output_file);
  const FinishedRun run = run_of(request);
  const Signals signals;
  TerminalObserver observer(stderr, TerminalStyle::of(stderr, request.quiet));
  const Evaluation evaluation = evaluate_job(run, observer, signals.stop_token());
  if (!request.output_file.empty())
    write_file_whole(request.output_file, evaluation_json(evaluation));
  print_result(evaluation_text(evaluation, request.json));
  observer.note(closing_line(start, request.output_file, run.config, predict_next));
}

void predict_command(const Request& request) {
  const auto start = Clock::now();
  const bool is_stream = std::ranges::count(request.inputs, "-") > 0;
  if (is_stream ? request.inputs.size() > 1 : request.null_separated)
    throw Error(ErrorKind::usage,
                "- and --null: the paths come from standard input; give - and no image");
  const FinishedRun run = run_of(request);
  const std::vector<std::string>& classes = run.head.classes;
  if (request.top > classes.size())
    throw Error(ErrorKind::usage, "--top {}: this classifier has {} classes", request.top,
                classes.size());
  const Signals signals(is_stream ? FirstSignal::ends : FirstSignal::asks);
  TerminalObserver observer(stderr, TerminalStyle::of(stderr, request.quiet));
  PathReader paths(request.null_separated);
  PredictionRequest prediction{{}, {}, request.threshold};
  if (is_stream)
    prediction.next = [&](std::size_t most) { return paths.next(most); };
  else
    prediction.images.assign(request.inputs.begin(), request.inputs.end());
  std::size_t classified = 0, bad = 0;
  const auto ready = [&] {
    if (!request.json) print_result(csv_header(classes, request.top));
  };
  const auto answer = [&](std::span<const Prediction> predictions) {
    for (const Prediction& one : predictions) {
      write_result(request.json ? json_line(classes, one, request.top)
                                : csv_row(classes, one, request.top));
      ++(one.error.empty() ? classified : bad);
    }
    flush_results();
  };
  predict_job(run, prediction, ready, answer, observer, signals.stop_token());
  if (bad > 0)
    throw Error(ErrorKind::data,
                "{} of {} images could not be read; the result has the reason of each", bad,
                bad + classified);
  observer.note(fmt::format("done in {}; {} classified", time_since(start),
                            counted(classified, "image", "images")));
}

void export_command(const Request& request) {
  refuse_config_as_target(request.config, "--output-file", request.output_file);
  const FinishedRun run = run_of(request);
  const Signals signals;
  const std::uint64_t bytes = export_run(
      run, {request.output_file, request.half, request.head_only, build_identity().version},
      signals.stop_token());
  print_result(fmt::format("{}: {} bytes\n", shown(request.output_file), grouped(bytes)));
}

void plan_command(const Request& request) {
  const Config config = config_of(request);
  const Gpu& gpu = chosen_gpu(request.gpu, request.architecture);
  const std::size_t memory = request.memory ? parse_memory(*request.memory) : gpu.properties.memory;
  BackboneOptions options =
      backbone_options(config, automatic_precision(gpu.properties.compute_capability));
  options.autotune = false;  // needs the GPU
  options.cache.clear();     // no run can use what is chosen here
  const GpuForecast forecast =
      forecast_for_gpu(cuda_module_for_plan(), gpu, memory, std::move(options));
  print_result(request.json ? forecast_json(forecast) : forecast_text(forecast));
}

void import_weights_command(const Request& request) {
  const std::filesystem::path output = request.output_file;
  if (output.extension() != ".safetensors")
    throw Error(ErrorKind::usage, "--output {}: the name must end in .safetensors",
                printable(request.output_file, 300));
  const Signals signals(FirstSignal::ends);
  const Vgg16Weights weights = load_vgg16_weights(request.inputs.at(0));
  save_vgg16_weights(output, weights);
  print_result(fmt::format("{}: {} parameters from {}, digest {}\n", shown(output),
                           grouped(vgg16_parameters), printable(weights.source, 300),
                           weights.digest.hex()));
}

void show_weights_command(const Request& request) {
  const Signals signals(FirstSignal::ends);
  const WeightsFileSummary summary = describe_weights_file(request.inputs.at(0));
  std::string text = fmt::format("format: {}\n", summary.format);
  for (const auto& [name, value] : summary.metadata)
    text += fmt::format("{}: {}\n", printable(name, 100), printable(value, 300));
  TextTable table({{"", Align::left}, {"", Align::left}});
  std::uint64_t total = 0;
  for (const WeightsFileEntry& entry : summary.tensors) {
    table.row({printable(entry.name, 200), fmt::format("[{}]", fmt::join(entry.shape, ", "))});
    std::uint64_t count = 1;
    for (const std::size_t extent : entry.shape) count *= extent;
    total += count;
  }
  print_result(text + table.text("  ") +
               fmt::format("{} tensors, {} values\n", summary.tensors.size(), grouped(total)));
}

void check_config_command(const Request& request) {
  const Config config = config_of(request);
  refuse_output_among_images(config);
  print_result(effective_config(config));
  if (request.quiet) return;
  warn_if_missing("data.train", config.data.train);
  warn_if_missing("data.validation", config.data.validation);
  warn_if_missing("backbone.weights", config.backbone.weights);
  fmt::print(stderr, "{}: this config is right\n", printable(request.config, 300));
}

void explain_config_command(const Request& request) {
  print_result(request.markdown ? explain_as_markdown() : explain_for_terminal(request.key));
}

std::string version_text() {
  const BuildIdentity build = build_identity();
  const std::string commit =
      build.commit.empty() ? "not known" : build.commit + (build.dirty ? ", with changes" : "");
  return fmt::format("graft {}\ncommit: {}\ncompiler: {}\nCUDA parts: {}\nvector unit in use: {}\n",
                     build.version, commit, build.compiler,
                     GRAFT_HAS_CUDA != 0 ? "built" : "not built", cpu::name_of(cpu::chosen_isa()));
}

}  // namespace graft::program
