#include "bench/harness/measure.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "bench/harness/statistics.h"
#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft::bench {
namespace {

// The coarsest clock (CUDA events) has a resolution of 0.5 us: 0.05 % of such a sample. A sequence
// ends with a wait of the host, of tens of microseconds.
constexpr double least_sample_seconds = 1e-3, least_sequence_seconds = 1e-2;
constexpr std::size_t most_executions = 1'000'000;
constexpr double window_seconds = 0.05;    // reading the conditions takes up to a millisecond
constexpr double recovery_seconds = 0.05;  // idle time after a window with throttling

struct Sample {
  double seconds = 0.0;  // of one execution
  StageShares stages;
};

// The union of all conditions during a case.
struct Observed {
  std::set<std::string> throttle_reasons;
  std::size_t other_processes = 0;
  bool free_clocks = false;
  bool power_capped = false;
  bool kept_throttled = false;
};

class CaseMeasurement {
 public:
  CaseMeasurement(BenchDevice& device, const Case& which, const Method& method,
                  std::stop_token stop, TimeSource& time)
      : device_(device), method_(method), stop_(std::move(stop)), time_(time), criterion_(method) {
    result_.what = which;
  }

  Measurement run();

 private:
  void warm_up();
  void take_samples();
  std::vector<Sample> sample_window(double began);
  Sample take_sample();
  bool is_throttling();
  void keep(std::vector<Sample> samples);
  void add_warnings();
  void add_sample_warnings();
  bool stopped() const { return stop_.stop_requested(); }

  BenchDevice& device_;
  const Method& method_;
  const std::stop_token stop_;
  TimeSource& time_;
  StoppingCriterion criterion_;
  std::unique_ptr<Subject> subject_;
  std::vector<Sample> kept_;
  Observed observed_;
  Measurement result_;
};

Measurement CaseMeasurement::run() {
  try {
    subject_ = result_.what.prepare();
    if (!device_.has_timer() || !subject_->has_timer()) {
      subject_->sample(method_.cache, 1);
      result_.ended = Ended::no_timer;
      if (device_.has_timer()) result_.warnings.emplace_back(waiting_launches_warning);
      return result_;
    }
    warm_up();
    take_samples();
  } catch (const Error& error) {
    const bool interrupted = error.kind() == ErrorKind::interrupted;
    result_.ended = interrupted ? Ended::interrupted : Ended::failed;
    if (!interrupted) result_.failure = error.what();
  } catch (const std::bad_alloc&) {
    result_.ended = Ended::failed;
    result_.failure = "not enough host memory";
  }
  add_warnings();
  return std::move(result_);
}

// Ends after Method::warm_up_seconds and, with hot caches or in a sequence, when a sample is long
// enough.
void CaseMeasurement::warm_up() {
  const double began = time_.now();
  result_.executions = result_.what.sequence;
  const bool is_sequence = result_.what.sequence > 1;
  const double least_seconds = is_sequence ? least_sequence_seconds : least_sample_seconds;
  bool enough = false;
  while (!stopped() && !(enough && time_.now() - began >= method_.warm_up_seconds)) {
    const double took = subject_->sample(method_.cache, result_.executions);
    enough = (method_.cache == CacheState::cold && !is_sequence) || took >= least_seconds ||
             result_.executions == most_executions;
    if (enough) continue;
    const double factor = took > 0.0 ? 1.2 * least_seconds / took : 10.0;
    result_.executions =
        std::min(most_executions,
                 static_cast<std::size_t>(std::ceil(static_cast<double>(result_.executions) *
                                                    std::clamp(factor, 1.2, 10.0))));
  }
}

void CaseMeasurement::take_samples() {
  const double began = time_.now();
  double discarded = 0.0;  // seconds
  bool throttled = is_throttling();
  Step step = Step::go_on;
  while (step == Step::go_on && !stopped()) {
    const double opened = time_.now();
    std::vector<Sample> samples = sample_window(began);
    const bool throttled_before = std::exchange(throttled, is_throttling());
    if (!throttled_before && !throttled) {
      keep(std::move(samples));
    } else if (discarded < method_.seconds / 2.0) {
      result_.throttled += samples.size();
      time_.pause(recovery_seconds);
      throttled = is_throttling();
      discarded += time_.now() - opened;
    } else {
      observed_.kept_throttled = true;
      keep(std::move(samples));
    }
    step = kept_.empty() ? Step::go_on : criterion_.step(time_.now() - began);
  }
  result_.ended = step == Step::settled    ? Ended::settled
                  : step == Step::time_cap ? Ended::time_cap
                                           : Ended::interrupted;
}

std::vector<Sample> CaseMeasurement::sample_window(double began) {
  std::vector<Sample> samples;
  const double opened = time_.now();
  double now = opened;
  do {
    samples.push_back(take_sample());
    now = time_.now();
  } while (!stopped() && now - opened < window_seconds && now - began < method_.seconds &&
           criterion_.samples() + samples.size() < most_samples);
  return samples;
}

Sample CaseMeasurement::take_sample() {
  const double took = subject_->sample(method_.cache, result_.executions);
  if (!(took > 0.0) || !std::isfinite(took)) {
    throw Error(ErrorKind::device,
                fmt::format("the {} clock measured {} s, which is not a valid time; try --hot",
                            name_of(result_.what.clock), took));
  }
  return {took / static_cast<double>(result_.executions), subject_->stages()};
}

bool CaseMeasurement::is_throttling() {
  const Conditions conditions = device_.conditions();
  observed_.throttle_reasons.insert(conditions.throttle_reasons.begin(),
                                    conditions.throttle_reasons.end());
  observed_.other_processes =
      std::max(observed_.other_processes, conditions.other_processes.value_or(0));
  observed_.free_clocks = observed_.free_clocks || conditions.clocks_locked == false;
  observed_.power_capped = observed_.power_capped || conditions.power_capped == true;
  return !conditions.throttle_reasons.empty();
}

void CaseMeasurement::keep(std::vector<Sample> samples) {
  for (Sample& sample : samples) {
    criterion_.add(sample.seconds);
    result_.samples.push_back(sample.seconds);
    kept_.push_back(std::move(sample));
  }
}

// In the order of first appearance.
StageShares medians_of_stages(const std::vector<Sample>& samples) {
  std::map<std::string, std::vector<double>> shares;
  StageShares medians;
  for (const Sample& sample : samples) {
    for (const auto& [stage, share] : sample.stages) {
      std::vector<double>& of_stage = shares[stage];
      if (of_stage.empty()) medians.emplace_back(stage, 0.0);
      of_stage.push_back(share);
    }
  }
  for (auto& [stage, median] : medians) median = summarise(shares.at(stage)).median;
  return medians;
}

void CaseMeasurement::add_warnings() {
  result_.stages = medians_of_stages(kept_);
  if (result_.ended != Ended::failed) add_sample_warnings();
  const std::string reasons = fmt::format("{}", fmt::join(observed_.throttle_reasons, ", "));
  if (result_.throttled > 0) {
    result_.warnings.push_back(fmt::format("{} discarded: the device throttled ({})",
                                           counted(result_.throttled, "sample", "samples"),
                                           reasons));
  }
  if (observed_.kept_throttled) {
    result_.warnings.push_back(fmt::format(
        "measured during throttling ({}), which lasted half of the time limit", reasons));
  }
  if (observed_.free_clocks) result_.warnings.emplace_back(free_clocks_warning);
  if (observed_.power_capped) result_.warnings.emplace_back(power_cap_warning);
  if (observed_.other_processes > 0)
    result_.warnings.push_back(busy_warning(observed_.other_processes));
}

// Two significant digits, and never an exponent: "0.53", "120".
std::string percents(double share) {
  const double value = 100.0 * share;
  return value < 10.0 ? fmt::format("{:.2g}", value) : fmt::format("{:.0f}", value);
}

void CaseMeasurement::add_sample_warnings() {
  const std::size_t wanted = std::max(method_.least_samples, least_samples_for_noise);
  if (result_.samples.size() < wanted) {
    result_.warnings.push_back(fmt::format(
        "{} of {} wanted", counted(result_.samples.size(), "sample", "samples"), grouped(wanted)));
  }
  if (result_.samples.size() < least_samples_for_noise) return;
  if (!criterion_.noise_is_low()) {
    result_.warnings.push_back(fmt::format("the noise is {} %, above the requested {} %",
                                           percents(criterion_.noise()), percents(method_.noise)));
  } else if (!criterion_.drift_is_low()) {
    result_.warnings.push_back(
        fmt::format("the times drift by {} % from the first to the second half of the samples",
                    percents(criterion_.drift())));
  }
}

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

double TimeSource::now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void TimeSource::pause(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

std::string busy_warning(std::size_t other_processes) {
  return fmt::format("the device is busy: {}",
                     counted(other_processes, "other process", "other processes"));
}

Measurement measure(BenchDevice& device, const Case& which, const Method& method,
                    std::stop_token stop, TimeSource& time) {
  return CaseMeasurement(device, which, method, stop, time).run();
}

Result run(BenchDevice& device, std::span<const Case> cases, const Method& method,
           const std::function<void(const Result&)>& after_each, std::stop_token stop,
           const About& about, TimeSource& time) {
  Result result;
  result.device = device.identity();
  result.build = about.build;
  result.config = about.config;
  result.date = now_as_text();
  result.method = method;
  result.has_timer = device.has_timer();
  result.complete = false;
  result.at_start = device.conditions();
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
