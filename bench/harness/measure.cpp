#include "bench/harness/measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "bench/harness/statistics.h"
#include "bench/harness/stopping.h"
#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft::bench {
namespace {

// The coarsest clock here tells .5 us apart (CUDA's events): .05 % of a sample that lasts this long.
constexpr double least_sample_seconds = 1e-3;
constexpr std::size_t most_executions = 1'000'000;
constexpr double window_seconds = 0.05;    // reading the conditions takes up to a millisecond
constexpr double recovery_seconds = 0.05;  // without work after a window that throttled

using Shares = std::vector<std::pair<std::string, double>>;

struct Sample {
  double seconds = 0.0;  // of one execution
  Shares stages;
};

// What was seen of the device while a case was measured.
struct Seen {
  std::set<std::string> throttle_reasons;
  std::size_t other_processes = 0;
  bool free_clocks = false;  // an idle device may not tell
  bool kept_throttled = false;
};

class Measuring {
 public:
  Measuring(BenchDevice& device, const Case& which, const Method& method, std::stop_token stop,
            TimeSource& time)
      : device_(device), method_(method), stop_(std::move(stop)), time_(time), criterion_(method) {
    result_.what = which;
  }

  Measurement all();

 private:
  void warm_up();
  void sample();
  std::vector<Sample> window(double began);
  Sample one();
  bool throttles();
  void keep(std::vector<Sample> samples);
  void remark();
  void remark_on_samples();
  bool stopped() const { return stop_.stop_requested(); }

  BenchDevice& device_;
  const Method& method_;
  const std::stop_token stop_;
  TimeSource& time_;
  StoppingCriterion criterion_;
  std::unique_ptr<Subject> subject_;
  std::vector<Sample> kept_;
  Seen seen_;
  Measurement result_;
};

Measurement Measuring::all() {
  try {
    subject_ = device_.prepare(result_.what);
    if (!device_.gives_times()) {
      subject_->sample(method_.cache, 1);
      result_.ended = Ended::no_times;
      return result_;
    }
    warm_up();
    sample();
  } catch (const Error& error) {
    const bool interrupted = error.kind() == ErrorKind::interrupted;
    result_.ended = interrupted ? Ended::interrupted : Ended::failed;
    if (!interrupted) result_.failure = error.what();
  } catch (const std::bad_alloc&) {
    result_.ended = Ended::failed;
    result_.failure = "There is not enough host memory for it.";
  }
  remark();
  return std::move(result_);
}

// Ends when clocks and caches had their time and, hot, when a sample is long enough for the clock.
void Measuring::warm_up() {
  const double began = time_.now();
  bool enough = false;
  while (!stopped() && !(enough && time_.now() - began >= method_.warm_up_seconds)) {
    const double took = subject_->sample(method_.cache, result_.executions);
    enough = method_.cache == CacheState::cold || took >= least_sample_seconds ||
             result_.executions == most_executions;
    if (enough) continue;
    const double factor = took > 0.0 ? 1.2 * least_sample_seconds / took : 10.0;
    result_.executions =
        std::min(most_executions,
                 static_cast<std::size_t>(std::ceil(static_cast<double>(result_.executions) *
                                                    std::clamp(factor, 1.2, 10.0))));
  }
}

void Measuring::sample() {
  const double began = time_.now();
  double thrown_away = 0.0;
  bool throttled = throttles();
  Step step = Step::go_on;
  while (step == Step::go_on && !stopped()) {
    const double opened = time_.now();
    std::vector<Sample> samples = window(began);
    const bool throttled_before = std::exchange(throttled, throttles());
    if (!throttled_before && !throttled) {
      keep(std::move(samples));
    } else if (thrown_away < method_.seconds / 2.0) {
      result_.throttled += samples.size();
      time_.pause(recovery_seconds);
      throttled = throttles();
      thrown_away += time_.now() - opened;
    } else {
      seen_.kept_throttled = true;
      keep(std::move(samples));
    }
    step = kept_.empty() ? Step::go_on : criterion_.step(time_.now() - began);
  }
  result_.ended = step == Step::settled    ? Ended::settled
                  : step == Step::time_cap ? Ended::time_cap
                                           : Ended::interrupted;
}

std::vector<Sample> Measuring::window(double began) {
  std::vector<Sample> samples;
  const double opened = time_.now();
  double now = opened;
  do {
    samples.push_back(one());
    now = time_.now();
  } while (!stopped() && now - opened < window_seconds && now - began < method_.seconds &&
           criterion_.samples() + samples.size() < most_samples);
  return samples;
}

Sample Measuring::one() {
  const double took = subject_->sample(method_.cache, result_.executions);
  if (!(took > 0.0) || !std::isfinite(took)) {
    throw Error(ErrorKind::device, fmt::format("The {} clock gave {} s for the work, which is no "
                                               "time; measure it hot, or more of it at once.",
                                               name_of(result_.what.clock), took));
  }
  return {took / static_cast<double>(result_.executions), subject_->stages()};
}

bool Measuring::throttles() {
  const Conditions conditions = device_.conditions();
  seen_.throttle_reasons.insert(conditions.throttle_reasons.begin(),
                                conditions.throttle_reasons.end());
  seen_.other_processes = std::max(seen_.other_processes, conditions.other_processes.value_or(0));
  seen_.free_clocks = seen_.free_clocks || conditions.clocks_locked == false;
  return !conditions.throttle_reasons.empty();
}

void Measuring::keep(std::vector<Sample> samples) {
  for (Sample& sample : samples) {
    criterion_.add(sample.seconds);
    result_.samples.push_back(sample.seconds);
    kept_.push_back(std::move(sample));
  }
}

// In the order in which the stages first appear.
Shares medians_of_stages(const std::vector<Sample>& samples) {
  std::map<std::string, std::vector<double>> shares;
  Shares medians;
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

void Measuring::remark() {
  result_.stages = medians_of_stages(kept_);
  if (result_.ended != Ended::failed) remark_on_samples();
  const std::string reasons = fmt::format("{}", fmt::join(seen_.throttle_reasons, ", "));
  if (result_.throttled > 0) {
    result_.remarks.push_back(fmt::format("{} thrown away: the device throttled ({})",
                                          counted(result_.throttled, "sample", "samples"),
                                          reasons));
  }
  if (seen_.kept_throttled) {
    result_.remarks.push_back(fmt::format(
        "measured while the device throttled ({}), as it had for half of the time", reasons));
  }
  if (seen_.free_clocks) result_.remarks.emplace_back(free_clocks_remark);
  if (seen_.other_processes > 0) result_.remarks.push_back(busy_remark(seen_.other_processes));
}

// Two digits that count, and no exponent where there are more: "0.53", "120".
std::string percents(double share) {
  const double value = 100.0 * share;
  return value < 10.0 ? fmt::format("{:.2g}", value) : fmt::format("{:.0f}", value);
}

void Measuring::remark_on_samples() {
  const std::size_t wanted = std::max(method_.least_samples, least_samples_for_noise);
  if (result_.samples.size() < wanted) {
    result_.remarks.push_back(fmt::format(
        "{} of {} wanted", counted(result_.samples.size(), "sample", "samples"), grouped(wanted)));
  }
  if (result_.samples.size() < least_samples_for_noise) return;
  if (!criterion_.noise_is_low()) {
    result_.remarks.push_back(fmt::format("the noise is {} % where {} % was asked",
                                          percents(criterion_.noise()), percents(method_.noise)));
  } else if (!criterion_.drift_is_low()) {
    result_.remarks.push_back(
        fmt::format("the times drift: by {} % from the first half of the samples to the second",
                    percents(criterion_.drift())));
  }
}

}  // namespace

double SteadyTime::now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void SteadyTime::pause(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

std::string busy_remark(std::size_t other_processes) {
  return fmt::format("the device is busy: {}",
                     counted(other_processes, "other process", "other processes"));
}

Measurement measure(BenchDevice& device, const Case& which, const Method& method,
                    std::stop_token stop, TimeSource& time) {
  return Measuring(device, which, method, stop, time).all();
}

Measurement measure(BenchDevice& device, const Case& which, const Method& method,
                    std::stop_token stop) {
  SteadyTime time;
  return measure(device, which, method, stop, time);
}

}  // namespace graft::bench
