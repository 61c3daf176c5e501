// bench: the program measures itself, compares two results and draws them.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <optional>
#include <regex>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "bench/devices/make_bench_device.h"
#include "bench/harness/compare.h"
#include "bench/harness/measure.h"
#include "bench/harness/plot.h"
#include "bench/harness/result_file.h"
#include "bench/suites/workplace.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/text.h"
#include "tools/graft/build_identity.h"
#include "tools/graft/commands.h"
#include "tools/graft/observers.h"
#include "tools/graft/signals.h"
#include "tools/graft/standard_output.h"

namespace graft::program {
namespace {

using bench::BenchDevice;
using bench::Case;
using bench::Ended;
using bench::Measurement;
using bench::Result;
using bench::Suite;

constexpr int slower_than_allowed = 7;

bench::Method method_of(const BenchConfig& config) {
  bench::Method method;
  method.cache = config.cache == "hot" ? bench::CacheState::hot : bench::CacheState::cold;
  method.noise = config.noise;
  method.least_samples = config.samples;
  method.seconds = config.seconds;
  method.warm_up_seconds = std::min(method.warm_up_seconds, config.seconds);
  return method;
}

// The command that shows every case of the request's suites, on its device.
std::string listing_command(const Request& request) {
  std::string command = "graft bench " + request.suite;
  for (const Setting& setting : request.settings)
    if (setting.path == "device") command += " --device " + printable(setting.value, 50);
  return command + " --list";
}

std::vector<Case> chosen_cases(BenchDevice& device, const Request& request,
                               const BenchConfig& config) {
  const bench::Axes axes{config.batch, config.size, config.precision};
  const std::regex filter(config.filter);
  std::vector<Case> chosen;
  for (const Suite suite : bench::all_suites) {
    if (request.suite != "all" && request.suite != bench::name_of(suite)) continue;
    for (Case& one : device.cases(suite, axes))
      if (std::regex_search(one.name, filter)) chosen.push_back(std::move(one));
  }
  if (chosen.empty())
    throw Error(ErrorKind::usage,
                fmt::format("no case's name matches the filter \"{}\"; `{}` shows them all",
                            printable(config.filter, 100), listing_command(request)));
  return chosen;
}

// Also where one of them is not there yet.
bool same_file(const std::string& one, const std::string& other) {
  std::error_code absent;
  if (std::filesystem::equivalent(one, other, absent)) return true;
  const auto whole = [&](const std::string& file) {
    return std::filesystem::weakly_canonical(std::filesystem::absolute(file, absent), absent);
  };
  const std::filesystem::path path = whole(one);
  return !path.empty() && path == whole(other);
}

// Where the result is kept while it grows.
class ResultFiles {
 public:
  explicit ResultFiles(const Request& request) : json_(request.json_file), csv_(request.csv_file) {
    refuse_config_as_target(request.config, "--json", json_);
    refuse_config_as_target(request.config, "--csv", csv_);
    if (!json_.empty() && !csv_.empty() && same_file(json_, csv_))
      throw Error(ErrorKind::usage,
                  fmt::format("--json and --csv both name {}; give each a file of its own",
                              printable(csv_, 1000)));
  }
  void write(const Result& result) {
    const auto start = Clock::now();
    if (!json_.empty()) write_file_whole(json_, bench::result_json(result));
    if (!csv_.empty()) write_file_whole(csv_, bench::result_csv(result));
    const auto end = Clock::now();
    due_ = end + pauses_between_writes * (end - start);
  }
  // Every write is of the whole result: with one after each of thousands of cases the writes would
  // take most of the time.
  void write_when_due(const Result& result) {
    if (Clock::now() >= due_) write(result);
  }
  std::string kept() const {
    if (json_.empty() && csv_.empty()) return "the table has what was measured";
    return fmt::format("what was measured is in {}", json_.empty() ? csv_ : json_);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr int pauses_between_writes = 20;  // as long as the last write each

  const std::string json_, csv_;
  Clock::time_point due_;
};

// What is to be said after the table, as the end of the command.
void report_end(const Result& result, std::size_t wanted, const ResultFiles& files) {
  const auto count_of = [&](Ended how) {
    return std::count_if(result.measurements.begin(), result.measurements.end(),
                         [how](const Measurement& one) { return one.ended == how; });
  };
  if (!result.complete)
    throw Error(ErrorKind::interrupted,
                fmt::format("interrupted after {} of {}; {}",
                            std::ssize(result.measurements) - count_of(Ended::interrupted),
                            counted(wanted, "case", "cases"), files.kept()));
  const auto failed = [](const Measurement& one) { return one.ended == Ended::failed; };
  const auto first = std::find_if(result.measurements.begin(), result.measurements.end(), failed);
  if (first == result.measurements.end()) return;
  throw Error(ErrorKind::device,
              fmt::format("{} of {} could not be measured, the others stand; {}: {}",
                          count_of(Ended::failed), counted(wanted, "case", "cases"),
                          first->what.name, first->failure));
}

void list(const std::vector<Case>& cases) {
  std::string names;
  for (const Case& one : cases) names += one.name + '\n';
  write_result(names);
  flush_results();
}

// What stands in for files of the user's.
void note_stand_ins(const Config& config, const std::string& suites, Observer& observer) {
  std::error_code absent;
  if (suites != "all" && suites != "backbone" && suites != "pipeline") return;
  if (!std::filesystem::exists(config.backbone.weights, absent))
    observer.note(fmt::format("weights: random values, which take the same time ({})",
                              config.backbone.weights.empty()
                                  ? "the config names none"
                                  : "there is no " + config.backbone.weights.string()));
  if (suites != "backbone" && config.data.train.empty())
    observer.note("photos: made ones (the config names none)");
}

Result measure_cases(BenchDevice& device, const std::vector<Case>& cases, const Config& config,
                     ResultFiles& files, Observer& observer, const std::stop_token& stop) {
  const bench::Method method = method_of(config.bench);
  const bench::About about{build_identity(), effective_config(config), ""};
  observer.note(fmt::format("device: {}", device.identity().name));
  const Stage stage(observer, "bench", cases.size(), "cases");
  // Written before the first case too: a file that cannot be is no surprise at the end then.
  const auto after_each = [&](const Result& so_far) {
    files.write_when_due(so_far);
    observer.advance(so_far.measurements.size());
  };
  return bench::run(device, cases, method, after_each, stop, about);
}

}  // namespace

int bench_command(const Request& request) {
  bench::BenchSetup setup;
  setup.config = load_settings(request.config, request.settings, process_environment());
  ResultFiles files(request);
  Signals signals(FirstSignal::ends);
  TerminalObserver observer(stderr, TerminalStyle::of(stderr, request.quiet));
  std::optional<bench::Workplace> workplace;
  setup.scratch = [&workplace] {
    if (!workplace) workplace.emplace();
    return workplace->path();
  };
  setup.stop = signals.stop_token();
  const auto device = bench::make_bench_device(
      setup, [&](const std::string& sentence) { observer.note(sentence); });
  const std::vector<Case> cases = chosen_cases(*device, request, setup.config.bench);
  if (request.list) {
    list(cases);
    return 0;
  }
  signals.ask_from_now_on();
  note_stand_ins(setup.config, request.suite, observer);
  const Result result =
      measure_cases(*device, cases, setup.config, files, observer, signals.stop_token());
  files.write(result);
  write_result(bench::result_table(result));
  flush_results();
  report_end(result, cases.size(), files);
  return 0;
}

int bench_compare_command(const Request& request) {
  const std::optional<bench::FailOn> fail_on =
      request.fail_on.empty() ? std::nullopt : std::optional(bench::parse_fail_on(request.fail_on));
  const Result before = bench::read_result(request.inputs.at(0));
  const Result after = bench::read_result(request.inputs.at(1));
  bench::CompareOptions options;
  // What is "the same" never fails: a rule of less than that asks for a finer look.
  if (fail_on && fail_on->slower > 0.0)
    options.tolerance = std::min(options.tolerance, fail_on->slower);
  const bench::Comparison comparison = bench::compare(before, after, options);
  write_result(request.json ? bench::comparison_json(comparison)
                            : bench::comparison_text(comparison));
  flush_results();
  if (!fail_on || !bench::fails(comparison, *fail_on)) return 0;
  fmt::print(stderr, "graft: {} does not pass --fail-on {}\n", printable(request.inputs[1], 300),
             printable(request.fail_on, 100));
  return slower_than_allowed;
}

int bench_plot_command(const Request& request) {
  for (const std::string& file : request.inputs)
    if (same_file(file, request.output_file))
      throw Error(ErrorKind::usage,
                  fmt::format("--output {}: this is one of the results to draw; name another file",
                              printable(request.output_file, 1000)));
  std::vector<Result> results;
  for (const std::string& file : request.inputs) results.push_back(bench::read_result(file));
  write_file_whole(request.output_file, bench::plot_svg(results));
  return 0;
}

}  // namespace graft::program
