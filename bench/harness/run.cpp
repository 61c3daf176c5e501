#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <new>
#include <set>
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

void check_names(std::span<const Case> cases) {
  std::set<std::string_view> names;
  for (const Case& which : cases) {
    if (!names.insert(which.name).second) {
      throw Error(ErrorKind::usage,
                  fmt::format("Two cases are called {}; results are joined by name.", which.name));
    }
  }
}

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

// An idle device may not tell, so what was seen at work counts too.
bool clocks_are_free(const Result& result) {
  const auto saw_it = [](const Measurement& measurement) {
    const std::vector<std::string>& remarks = measurement.remarks;
    return std::find(remarks.begin(), remarks.end(), free_clocks_remark) != remarks.end();
  };
  return result.at_start.clocks_locked == false || result.at_end.clocks_locked == false ||
         std::any_of(result.measurements.begin(), result.measurements.end(), saw_it);
}

// What is to be said beside all figures.
std::vector<std::string> remarks_of(const Result& result, const BenchDevice& device) {
  std::vector<std::string> remarks;
  if (!result.gives_times) return {device.why_no_times()};
  if (!optimised || result.build.build_type == "Debug") remarks.emplace_back("a debug build");
  if (sanitized) remarks.emplace_back("built with a sanitizer");
  if (clocks_are_free(result)) remarks.emplace_back(free_clocks_remark);
  const std::size_t others = std::max(result.at_start.other_processes.value_or(0),
                                      result.at_end.other_processes.value_or(0));
  if (others > 0) remarks.push_back(busy_remark(others));
  return remarks;
}

Result begun(BenchDevice& device, const Method& method, const About& about) {
  Result result;
  result.device = device.identity();
  result.build = about.build;
  result.config = about.config;
  result.date = about.date.empty() ? now_as_text() : about.date;
  result.method = method;
  result.gives_times = device.gives_times();
  result.complete = false;
  result.at_start = result.at_end = device.conditions();
  return result;
}

// The remark where they cannot be measured; empty otherwise. An interruption goes through.
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
  check_names(cases);
  Result result = begun(device, method, about);
  std::string ceilings_remark;
  const auto refresh = [&] {
    result.at_end = device.conditions();
    result.remarks = remarks_of(result, device);
    if (!ceilings_remark.empty()) result.remarks.push_back(ceilings_remark);
  };
  refresh();
  after_each(result);
  try {
    if (result.gives_times && !cases.empty())
      ceilings_remark = measure_ceilings(device, cases, stop, result.ceilings);
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

Result run(BenchDevice& device, std::span<const Case> cases, const Method& method,
           const std::function<void(const Result&)>& after_each, std::stop_token stop,
           const About& about) {
  SteadyTime time;
  return run(device, cases, method, after_each, stop, about, time);
}

}  // namespace graft::bench
