#include "report.h"

#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "environment.h"
#include "faults.h"

namespace vgpu {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out + "\"";
}

std::string json_of(const Dim3& d) {
  std::ostringstream out;
  out << '[' << d.x << ", " << d.y << ", " << d.z << ']';
  return out.str();
}

std::string json_of(const Counters& c) {
  std::ostringstream out;
  out << "\"warp_instructions\": " << c.warp_instructions
      << ", \"thread_instructions\": " << c.thread_instructions
      << ", \"sectors_loaded\": " << c.sectors_loaded
      << ", \"sectors_loaded_minimum\": " << c.sectors_loaded_minimum
      << ", \"sectors_stored\": " << c.sectors_stored
      << ", \"sectors_stored_minimum\": " << c.sectors_stored_minimum
      << ", \"distinct_sectors_read\": " << c.distinct_sectors_read
      << ", \"distinct_sectors_written\": " << c.distinct_sectors_written
      << ", \"shared_accesses\": " << c.shared_accesses
      << ", \"shared_wavefronts\": " << c.shared_wavefronts
      << ", \"shared_wavefronts_minimum\": " << c.shared_wavefronts_minimum;
  return out.str();
}

}  // namespace

void Counters::add(const Counters& other) {
  warp_instructions += other.warp_instructions;
  thread_instructions += other.thread_instructions;
  sectors_loaded += other.sectors_loaded;
  sectors_loaded_minimum += other.sectors_loaded_minimum;
  sectors_stored += other.sectors_stored;
  sectors_stored_minimum += other.sectors_stored_minimum;
  distinct_sectors_read += other.distinct_sectors_read;
  distinct_sectors_written += other.distinct_sectors_written;
  shared_accesses += other.shared_accesses;
  shared_wavefronts += other.shared_wavefronts;
  shared_wavefronts_minimum += other.shared_wavefronts_minimum;
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

std::vector<FoundError> Report::errors() const {
  const std::scoped_lock lock(mutex_);
  return errors_;
}

std::vector<LaunchRecord> Report::launches() const {
  const std::scoped_lock lock(mutex_);
  return launches_;
}

void Report::clear_errors() {
  const std::scoped_lock lock(mutex_);
  errors_.clear();
}

void Report::clear_launches() {
  const std::scoped_lock lock(mutex_);
  launches_.clear();
}

std::string Report::json() const {
  const std::scoped_lock lock(mutex_);
  std::ostringstream out;
  out << "{\n  \"calls\": {";
  for (const char* comma = ""; const auto& [function, count] : Faults::instance().calls()) {
    out << comma << quoted(function) << ": " << count;
    comma = ", ";
  }
  out << "},\n  \"errors\": [";
  for (const char* comma = "\n"; const FoundError& e : errors_) {
    out << comma << "    {\"kind\": " << quoted(e.kind) << ", \"kernel\": " << quoted(e.kernel)
        << ", \"ptx_line\": " << e.line << ", \"count\": " << e.count
        << ", \"text\": " << quoted(e.text) << "}";
    comma = ",\n";
  }
  out << "],\n  \"launches\": [";
  for (const char* comma = "\n"; const LaunchRecord& l : launches_) {
    out << comma << "    {\"kernel\": " << quoted(l.kernel) << ", \"grid\": " << json_of(l.grid)
        << ", \"block\": " << json_of(l.block) << ", \"shared_bytes\": " << l.shared_bytes << ", "
        << json_of(l.counters) << "}";
    comma = ",\n";
  }
  out << "],\n  \"profiled\": [";
  for (const char* comma = ""; const ProfiledLaunches& range : profiled_) {
    out << comma << '[' << range.first << ", " << range.end.value_or(launches_.size()) << ']';
    comma = ", ";
  }
  out << "]\n}\n";
  return out.str();
}

void Report::write() const {
  if (environment().report.empty()) return;
  std::ofstream file(environment().report);
  file << json();
  if (!file.flush())
    std::fprintf(stderr, "vgpu: the report %s cannot be written\n", environment().report.c_str());
}

}  // namespace vgpu
