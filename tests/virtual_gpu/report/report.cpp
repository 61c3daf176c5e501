#include "report/report.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "report/environment.h"
#include "report/faults.h"

namespace vgpu {
namespace {

using Json = nlohmann::ordered_json;

struct CounterRow {
  const char* name;
  std::uint64_t Counters::*value;
};
constexpr CounterRow kCounters[] = {
    {"warp_instructions", &Counters::warp_instructions},
    {"thread_instructions", &Counters::thread_instructions},
    {"sectors_loaded", &Counters::sectors_loaded},
    {"sectors_loaded_minimum", &Counters::sectors_loaded_minimum},
    {"sectors_stored", &Counters::sectors_stored},
    {"sectors_stored_minimum", &Counters::sectors_stored_minimum},
    {"distinct_sectors_read", &Counters::distinct_sectors_read},
    {"distinct_sectors_written", &Counters::distinct_sectors_written},
    {"shared_accesses", &Counters::shared_accesses},
    {"shared_wavefronts", &Counters::shared_wavefronts},
    {"shared_wavefronts_minimum", &Counters::shared_wavefronts_minimum}};

Json json_of(const LaunchRecord& l) {
  Json json = {{"kernel", l.kernel},
               {"grid", {l.grid.x, l.grid.y, l.grid.z}},
               {"block", {l.block.x, l.block.y, l.block.z}},
               {"shared_bytes", l.shared_bytes}};
  for (const CounterRow& row : kCounters) json[row.name] = l.counters.*row.value;
  return json;
}

}  // namespace

void add(Counters& sum, const Counters& more) {
  for (const CounterRow& row : kCounters) sum.*row.value += more.*row.value;
}

std::string readable(const std::string& mangled) {
  int status = 0;
  char* text = abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status);
  std::string result = status == 0 && text != nullptr ? text : mangled;
  std::free(text);
  return result;
}

// Never destroyed: programs free device memory from static destructors.
Report& Report::instance() {
  static auto* report = new Report;
  return *report;
}

void Report::error(const std::string& kind, const std::string& kernel, std::uint32_t line,
                   const std::string& text) {
  const std::scoped_lock lock(mutex_);
  for (FoundError& e : errors_)
    if (e.kind == kind && e.kernel == kernel && e.line == line && (line != 0 || e.text == text)) {
      ++e.count;
      return;
    }
  errors_.push_back({kind, kernel, line, text, 1});
  if (!environment().quiet) std::fprintf(stderr, "vgpu: %s: %s\n", kind.c_str(), text.c_str());
}

void Report::launch(LaunchRecord record) {
  const std::scoped_lock lock(mutex_);
  launches_.push_back(std::move(record));
}

void Report::profiler(bool is_on) {
  const std::scoped_lock lock(mutex_);
  const bool is_open = !profiled_.empty() && !profiled_.back().end;
  if (is_on && !is_open) profiled_.push_back({launches_.size(), {}});
  if (!is_on && is_open) profiled_.back().end = launches_.size();
}

void Report::use_device(int number) {
  const std::scoped_lock lock(mutex_);
  used_devices_.insert(number);
}

std::vector<FoundError> Report::errors() const {
  const std::scoped_lock lock(mutex_);
  return errors_;
}

std::optional<Counters> Report::last_launch(const std::string& part_of_name) const {
  const std::scoped_lock lock(mutex_);
  const auto found =
      std::find_if(launches_.rbegin(), launches_.rend(), [&](const LaunchRecord& launch) {
        return launch.kernel.find(part_of_name) != std::string::npos;
      });
  return found == launches_.rend() ? std::nullopt : std::optional(found->counters);
}

void Report::clear_errors() {
  const std::scoped_lock lock(mutex_);
  errors_.clear();
}

bool Report::write(const std::string& path) const {
  const std::scoped_lock lock(mutex_);
  Json json = {{"calls", Faults::instance().calls()},
               {"errors", Json::array()},
               {"launches", Json::array()},
               {"profiled", Json::array()},
               {"used_devices", used_devices_}};
  for (const FoundError& e : errors_)
    json["errors"].push_back({{"kind", e.kind},
                              {"kernel", e.kernel},
                              {"ptx_line", e.line},
                              {"count", e.count},
                              {"text", e.text}});
  for (const LaunchRecord& l : launches_) json["launches"].push_back(json_of(l));
  for (const ProfiledLaunches& range : profiled_)
    json["profiled"].push_back({range.first, range.end.value_or(launches_.size())});
  std::ofstream file(path);
  file << json.dump(1, ' ', false, Json::error_handler_t::replace) << '\n';
  return static_cast<bool>(file.flush());
}

}  // namespace vgpu
