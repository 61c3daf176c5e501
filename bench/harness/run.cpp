#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "bench/harness/measure.h"
#include "engine/base/error.h"

namespace graft::bench {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif
#if defined(__OPTIMIZE__)
constexpr bool optimised = true;
#else
constexpr bool optimised = false;
#endif

std::string now_as_text() {
  const auto now = std::chrono::system_clock::now();
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(now)));
}

std::vector<Precision> arithmetic_of(std::span<const Case> cases) {
  std::vector<Precision> precisions;
  for (const Case& which : cases) {
    const bool is_new =
        std::find(precisions.begin(), precisions.end(), which.cost.arithmetic) == precisions.end();
    if (which.cost.flop > 0.0 && is_new) precisions.push_back(which.cost.arithmetic);
  }
  return precisions;
}

// Some devices report it only under load, so the warnings of the cases count too.
bool clocks_are_free(const Result& result) {
  const auto has_warning = [](const Measurement& measurement) {
    const std::vector<std::string>& warnings = measurement.warnings;
    return std::find(warnings.begin(), warnings.end(), free_clocks_warning) != warnings.end();
  };
  return result.at_start.clocks_locked == false || result.at_end.clocks_locked == false ||
         std::any_of(result.measurements.begin(), result.measurements.end(), has_warning);
}

std::vector<std::string> warnings_of(const Result& result, const BenchDevice& device) {
  std::vector<std::string> warnings;
  if (!result.has_timer) return {device.missing_timer_reason()};
  if (!optimised || result.build.build_type == "Debug") warnings.emplace_back("a debug build");
  if (sanitized) warnings.emplace_back("built with a sanitizer");
  if (clocks_are_free(result)) warnings.emplace_back(free_clocks_warning);
  const std::size_t others = std::max(result.at_start.other_processes.value_or(0),
                                      result.at_end.other_processes.value_or(0));
  if (others > 0) warnings.push_back(busy_warning(others));
  return warnings;
}

Result begun(BenchDevice& device, const Method& method, const About& about) {
  Result result;
  result.device = device.identity();
  result.build = about.build;
  result.config = about.config;
  result.date = now_as_text();
  result.method = method;
  result.has_timer = device.has_timer();
  result.complete = false;
  result.at_start = result.at_end = device.conditions();
  return result;
}

// Returns a warning where they cannot be measured, else an empty text. Throws Error(interrupted).
std::string measure_ceilings(BenchDevice& device, std::span<const Case> cases, std::stop_token stop,
                             Ceilings& ceilings) {
  try {
    ceilings = device.ceilings(arithmetic_of(cases), stop);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted) throw;
    return fmt::format("the ceilings could not be measured: {}", error.what());
  } catch (const std::bad_alloc&) {
    return "the ceilings could not be measured: there is not enough host memory";
  }
  return "";
}

}  // namespace

Result run(BenchDevice& device, std::span<const Case> cases, const Method& method,
           const std::function<void(const Result&)>& after_each, std::stop_token stop,
           const About& about, TimeSource& time) {
  Result result = begun(device, method, about);
  std::string ceilings_warning;
  const auto refresh = [&] {
    result.at_end = device.conditions();
    result.warnings = warnings_of(result, device);
    if (!ceilings_warning.empty()) result.warnings.push_back(ceilings_warning);
  };
  refresh();
  after_each(result);
  try {
    if (result.has_timer && !cases.empty())
      ceilings_warning = measure_ceilings(device, cases, stop, result.ceilings);
  } catch (const Error&) {
    return result;
  }
  for (const Case& which : cases) {
    if (stop.stop_requested()) return result;
    result.measurements.push_back(measure(device, which, method, stop, time));
    const bool interrupted = result.measurements.back().ended == Ended::interrupted;
    result.complete = result.measurements.size() == cases.size() && !interrupted;
    refresh();
    after_each(result);
    if (interrupted) return result;
  }
  result.complete = true;
  refresh();
  return result;
}

}  // namespace graft::bench
