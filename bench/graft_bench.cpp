// graft-bench: measures the kernels and the network of graft, prints a table and saves JSON.

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <new>
#include <optional>
#include <regex>
#include <stop_token>
#include <string>
#include <system_error>
#include <vector>

#include "bench/cpu/cpu_bench_device.h"
#include "bench/harness/measure.h"
#include "bench/harness/result_file.h"
#include "bench/options.h"
#include "engine/backend/device_name.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/text.h"
#include "tools/graft/build_identity.h"
#include "tools/graft/observers.h"
#include "tools/graft/signals.h"
#include "tools/graft/standard_output.h"
#if GRAFT_HAS_CUDA
#include "bench/cuda/cuda_bench_device.h"
#endif

namespace graft::bench {
namespace {

constexpr int program_fault = 1;

// A folder in TMPDIR, removed with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::error_code failure;
    std::string name =
        (std::filesystem::temp_directory_path(failure) / "graft-bench-XXXXXX").string();
    if (failure || ::mkdtemp(name.data()) == nullptr)
      throw Error(ErrorKind::io,
                  fmt::format("cannot create the temporary folder {} ({}); set TMPDIR", name,
                              failure ? failure.message() : std::strerror(errno)));
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::unique_ptr<BenchDevice> make_cuda_bench_device([[maybe_unused]] int ordinal,
                                                    [[maybe_unused]] const BenchSetup& setup) {
#if GRAFT_HAS_CUDA
  return std::make_unique<CudaBenchDevice>(ordinal, setup);
#else
  throw Error(ErrorKind::device, "graft-bench was built without CUDA");
#endif
}

std::vector<Case> chosen_cases(BenchDevice& device, const Options& options) {
  const std::regex filter(options.filter);
  std::vector<Case> chosen;
  for (const Suite suite : all_suites) {
    if (options.suite != "all" && options.suite != name_of(suite)) continue;
    for (Case& one : device.cases(suite, options.axes))
      if (std::regex_search(one.name, filter)) chosen.push_back(std::move(one));
  }
  if (chosen.empty())
    throw Error(
        ErrorKind::usage,
        fmt::format("--filter {}: no case has such a name; --list without --filter prints all",
                    printable(options.filter, 100)));
  return chosen;
}

// Throws Error(interrupted) or, where a case failed, Error(device).
void check_complete(const Result& result, std::size_t wanted, const Options& options) {
  const auto count = [&](Ended how) {
    return std::ranges::count(result.measurements, how, &Measurement::ended);
  };
  if (!result.complete)
    throw Error(
        ErrorKind::interrupted,
        fmt::format("interrupted after {} of {}; {} the results so far",
                    std::ssize(result.measurements) - count(Ended::interrupted),
                    counted(wanted, "case", "cases"),
                    options.json_file.empty() ? "the table has" : options.json_file + " has"));
  const auto first = std::ranges::find(result.measurements, Ended::failed, &Measurement::ended);
  if (first == result.measurements.end()) return;
  throw Error(ErrorKind::device,
              fmt::format("{} of {} failed, the others are valid; {}: {}", count(Ended::failed),
                          counted(wanted, "case", "cases"), first->what.name, first->failure));
}

void note_generated_inputs(const Config& config, const std::string& suite, Observer& observer) {
  std::error_code absent;
  if (suite != "all" && suite != "backbone" && suite != "pipeline") return;
  if (!std::filesystem::exists(config.backbone.weights, absent))
    observer.note(fmt::format("weights: random ({})",
                              config.backbone.weights.empty()
                                  ? "backbone.weights is not set"
                                  : config.backbone.weights.string() + " does not exist"));
  if (suite != "backbone" && config.data.train.empty())
    observer.note("photos: generated (data.train is not set)");
}

Result measure_cases(BenchDevice& device, const std::vector<Case>& cases, const Options& options,
                     const Config& config, Observer& observer, const std::stop_token& stop) {
  using SteadyClock = std::chrono::steady_clock;
  SteadyClock::time_point due;
  const auto save = [&](const Result& result) {
    if (options.json_file.empty()) return;
    const auto start = SteadyClock::now();
    write_file_whole(options.json_file, result_json(result));
    const auto end = SteadyClock::now();
    // At most a twentieth of the time: each write is of the complete result so far.
    due = end + 20 * (end - start);
  };
  const About about{program::build_identity(), effective_config(config)};
  observer.note(fmt::format("device: {}", device.identity().name));
  const Stage stage(observer, "bench", cases.size(), "cases");
  // The first call is before the first case: a file that cannot be written is an error at once.
  const auto after_each = [&](const Result& so_far) {
    if (SteadyClock::now() >= due) save(so_far);
    observer.advance(so_far.measurements.size());
  };
  TimeSource time;
  Result result = run(device, cases, options.method, after_each, stop, about, time);
  save(result);
  return result;
}

void run_bench(const Options& options) {
  if (!options.help.empty()) return program::write_result(options.help);
  BenchSetup setup;
  setup.config = load_settings(options.config, options.overrides, process_environment());
  refuse_config_as_target(options.config, "--json", options.json_file);
  program::Signals signals(program::FirstSignal::ends);
  program::TerminalObserver observer(stderr, program::TerminalStyle::of(stderr, options.quiet));
  std::optional<TemporaryFolder> folder;
  setup.scratch = [&folder] {
    if (!folder) folder.emplace();
    return folder->path();
  };
  setup.stop = signals.stop_token();
  const auto device = with_device<BenchDevice>(
      setup.config.device, [&](const std::string& sentence) { observer.note(sentence); },
      [&] { return make_cpu_bench_device(setup, isa_of(options.isa)); },
      [&](int ordinal) { return make_cuda_bench_device(ordinal, setup); });
  const std::vector<Case> cases = chosen_cases(*device, options);
  if (options.list) {
    std::string names;
    for (const Case& one : cases) names += one.name + '\n';
    return program::write_result(names);
  }
  signals.set(program::FirstSignal::waits);
  note_generated_inputs(setup.config, options.suite, observer);
  const Result result =
      measure_cases(*device, cases, options, setup.config, observer, signals.stop_token());
  program::write_result(result_table(result));
  check_complete(result, cases.size(), options);
}

int fail(int code, const char* sentence) {
  fmt::print(stderr, "graft-bench: {}\n", sentence);
  return code;
}

}  // namespace
}  // namespace graft::bench

int main(int argument_count, char** arguments) {
  using namespace graft;
  using bench::fail;
  try {
    bench::run_bench(bench::parse_options(argument_count, arguments));
    program::flush_results();
    return EXIT_SUCCESS;
  } catch (const program::ReaderGone&) {
    return EXIT_SUCCESS;
  } catch (const Error& error) {
    std::fflush(stdout);
    return fail(static_cast<int>(error.kind()), error.what());
  } catch (const std::bad_alloc&) {
    return fail(static_cast<int>(ErrorKind::device), "out of memory; choose smaller sizes");
  } catch (const std::system_error& error) {
    return fail(static_cast<int>(ErrorKind::io), error.what());
  } catch (const std::exception& error) {
    return fail(bench::program_fault, error.what());
  }
}
