// run, extract, train, evaluate and predict: a config and a job of the engine.

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/text.h"
#include "engine/job/job.h"
#include "tools/graft/commands.h"
#include "tools/graft/listeners.h"
#include "tools/graft/observers.h"
#include "tools/graft/predictions.h"
#include "tools/graft/signals.h"
#include "tools/graft/standard_output.h"

namespace graft::program {
namespace {

constexpr std::size_t mistakes_shown = 10;

using Job = std::function<void(const Config&, const JobHooks&, Observer&, std::stop_token)>;

// A job that owns its output folder: the effective config and the log stand there from the moment
// that the folder is this run's, and not before.
void do_in_output_folder(const Request& request, std::string_view command, const Job& job) {
  const Config config = load_config(request.config, request.settings, process_environment());
  const std::string effective = effective_config(config);
  Listeners listeners(request, command, config, process_environment());
  const Signals signals;
  TerminalObserver terminal(stderr, TerminalStyle::of(stderr, request.quiet));
  LogObserver log;
  TeeObserver observer(terminal, log);
  log.write("start", fmt::format("graft {} {}", command, request.config));

  JobHooks hooks;
  listeners.listen(hooks);
  hooks.folder_locked = [&] {
    write_file_whole(config.output / "config.json", effective);
    log.open(config.output / "run.log");
  };
  try {
    job(config, hooks, observer, signals.stop_token());
  } catch (const std::exception& error) {
    log.write("error", error.what());
    listeners.finish_after_failure(observer);
    throw;
  }
  listeners.finish(observer);
  log.write("done", "");
  if (const auto failure = log.failure()) terminal.warn(*failure);
}

// Said before the long work, and with what to do.
void require_head(const Config& config, bool best) {
  const auto head = config.output / (best ? "head_best.safetensors" : "head.safetensors");
  std::error_code failure;
  if (std::filesystem::exists(head, failure)) return;
  throw Error(
      ErrorKind::usage,
      fmt::format("there is no trained classifier {}; `graft run` or `graft train` makes it",
                  printable(head.string(), 1000)));
}

void print_evaluation(const Evaluation& evaluation, bool json) {
  write_result(json ? evaluation_json(evaluation) : evaluation_table(evaluation, mistakes_shown));
  flush_results();
}

}  // namespace

int run_command(const Request& request) {
  std::optional<Evaluation> evaluation;
  do_in_output_folder(
      request, "run",
      [&](const Config& config, const JobHooks& hooks, Observer& observer, std::stop_token stop) {
        evaluation = run_job(config, hooks, observer, std::move(stop)).evaluation;
      });
  if (evaluation) print_evaluation(*evaluation, request.json);
  return 0;
}

int extract_command(const Request& request) {
  do_in_output_folder(request, "extract", extract_job);
  return 0;
}

int train_command(const Request& request) {
  do_in_output_folder(request, "train", train_job);
  return 0;
}

int evaluate_command(const Request& request) {
  const Config config = load_config(request.config, request.settings, process_environment());
  require_head(config, request.best);
  const Signals signals;
  TerminalObserver observer(stderr, TerminalStyle::of(stderr, request.quiet));
  print_evaluation(evaluate_job(config, request.best, observer, signals.stop_token()),
                   request.json);
  return 0;
}

int predict_command(const Request& request) {
  const Config config = load_config(request.config, request.settings, process_environment());
  require_head(config, request.best);
  const Signals signals;
  TerminalObserver observer(stderr, TerminalStyle::of(stderr, request.quiet));
  const std::vector<std::filesystem::path> inputs(request.inputs.begin(), request.inputs.end());
  const bool csv = request.format == PredictionFormat::csv;
  std::vector<std::string> names;
  const auto on_classes = [&](const std::vector<std::string>& classes) {
    names = classes;
    if (csv) write_result(csv_header(classes));
  };
  const auto on_prediction = [&](const Prediction& prediction) {
    write_result(csv ? csv_row(prediction) : json_line(names, prediction));
  };
  const PredictionReport report = predict_job(config, inputs, request.best, on_classes,
                                              on_prediction, observer, signals.stop_token());
  flush_results();
  if (report.bad.empty()) return 0;
  for (const auto& [file, reason] : report.bad)
    fmt::print(stderr, "{}: {}\n", printable(file, 1000), reason);
  throw Error(ErrorKind::data,
              fmt::format("{} of {} images could not be read; the rows of the "
                          "others are complete",
                          report.bad.size(), report.bad.size() + report.predicted));
}

}  // namespace graft::program
