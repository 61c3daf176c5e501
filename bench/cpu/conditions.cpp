#include "bench/cpu/conditions.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <locale>
#include <string>
#include <utility>

namespace graft::bench {
namespace {

constexpr double shortest_window = 0.2;  // seconds

std::ifstream open_plain(const std::filesystem::path& path) {
  std::ifstream file(path);
  file.imbue(std::locale::classic());
  return file;
}

bool is_allowed(unsigned cpu) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return true;
  return cpu < CPU_SETSIZE && CPU_ISSET(cpu, &allowed);
}

double own_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// The mean of cpufreq's kHz over the allowed CPUs, else of all "cpu MHz" in /proc/cpuinfo.
std::optional<double> clock_mhz(const std::filesystem::path& proc,
                                const std::filesystem::path& sys) {
  double sum = 0.0;
  std::size_t count = 0;
  const auto add = [&](std::istream& stream, double divisor) {
    double value = 0.0;
    if (!(stream >> value)) return;
    sum += value / divisor;
    ++count;
  };
  const auto cpus = static_cast<unsigned>(std::max(1L, sysconf(_SC_NPROCESSORS_CONF)));
  for (unsigned cpu = 0; cpu < cpus; ++cpu) {
    std::ifstream file = open_plain(sys / "devices/system/cpu" / ("cpu" + std::to_string(cpu)) /
                                    "cpufreq/scaling_cur_freq");
    if (is_allowed(cpu)) add(file, 1000.0);
  }
  if (count == 0) {
    std::ifstream file = open_plain(proc / "cpuinfo");
    for (std::string word; std::getline(file, word, ':');) {
      if (word.find("cpu MHz") != std::string::npos) add(file, 1.0);
      std::getline(file, word);
    }
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

}  // namespace

std::optional<double> busy_seconds(const std::filesystem::path& proc) {
  const auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  std::ifstream file = open_plain(proc / "stat");
  std::optional<double> busy;
  for (std::string line; std::getline(file, line);) {
    unsigned cpu = 0;
    unsigned long user = 0, nice = 0, system = 0, irq = 0, softirq = 0, steal = 0;
    // cpu0 user nice system idle iowait irq softirq steal …; "cpu " is the sum of all
    const int found = std::sscanf(line.c_str(), "cpu%u %lu %lu %lu %*u %*u %lu %lu %lu", &cpu,
                                  &user, &nice, &system, &irq, &softirq, &steal);
    if (found != 7 || line.starts_with("cpu ") || !is_allowed(cpu)) continue;
    busy = busy.value_or(0.0) +
           static_cast<double>(user + nice + system + irq + softirq + steal) / ticks_per_second;
  }
  return busy;
}

CpuConditions::CpuConditions(std::filesystem::path proc, std::filesystem::path sys)
    : proc_(std::move(proc)),
      sys_(std::move(sys)),
      since_(std::chrono::steady_clock::now()),
      busy_(busy_seconds(proc_)),
      own_(own_seconds()) {}

Conditions CpuConditions::now() {
  const auto time = std::chrono::steady_clock::now();
  const double window = std::chrono::duration<double>(time - since_).count();
  if (window >= shortest_window) {
    const std::optional<double> busy = busy_seconds(proc_);
    const double own = own_seconds();
    others_.reset();
    if (busy && busy_)
      others_ = static_cast<std::size_t>(
          std::lround(std::max(0.0, (*busy - *busy_) - (own - own_)) / window));
    since_ = time;
    busy_ = busy;
    own_ = own;
  }
  Conditions conditions;
  conditions.clock_mhz = clock_mhz(proc_, sys_);
  conditions.other_processes = others_;
  return conditions;
}

}  // namespace graft::bench
