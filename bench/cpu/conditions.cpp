#include "bench/cpu/conditions.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <fstream>
#include <locale>
#include <sstream>
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

bool is_ours(unsigned processor) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return true;
  return processor < CPU_SETSIZE && CPU_ISSET(processor, &allowed);
}

double own_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// cpufreq's kHz of each processor of ours, else /proc/cpuinfo's "cpu MHz"; the mean.
std::optional<double> clock_mhz(const std::filesystem::path& proc,
                                const std::filesystem::path& sys) {
  double sum = 0.0;
  std::size_t count = 0;
  const auto processors = static_cast<unsigned>(std::max(1L, sysconf(_SC_NPROCESSORS_CONF)));
  for (unsigned processor = 0; processor < processors; ++processor) {
    std::ifstream file =
        open_plain(sys / "devices/system/cpu" / ("cpu" + std::to_string(processor)) /
                   "cpufreq/scaling_cur_freq");
    double khz = 0.0;
    if (!is_ours(processor) || !(file >> khz)) continue;
    sum += khz / 1000.0;
    ++count;
  }
  if (count == 0) {
    std::ifstream file = open_plain(proc / "cpuinfo");
    for (std::string line; std::getline(file, line);) {
      if (!line.starts_with("cpu MHz")) continue;
      std::istringstream value(line.substr(line.find(':') + 1));
      value.imbue(std::locale::classic());
      double mhz = 0.0;
      if (!(value >> mhz)) continue;
      sum += mhz;
      ++count;
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
    std::istringstream words(line);
    words.imbue(std::locale::classic());
    std::string name;
    unsigned processor = 0;
    // cpu0 user nice system idle iowait irq softirq steal …
    double user = 0, nice = 0, system = 0, idle = 0, waiting = 0, irq = 0, softirq = 0, steal = 0;
    words >> name;
    if (!name.starts_with("cpu") || name.size() < 4) continue;
    std::istringstream number(name.substr(3));
    if (!(number >> processor) || !is_ours(processor)) continue;
    if (!(words >> user >> nice >> system >> idle >> waiting >> irq >> softirq >> steal)) continue;
    busy = busy.value_or(0.0) + (user + nice + system + irq + softirq + steal) / ticks_per_second;
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
