// OUTPUT/run.log: what a person would have seen, for later.

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "tools/graft/observers.h"

namespace graft::program {

LogObserver::~LogObserver() {
  if (file_ != nullptr) std::fclose(file_);
}

void LogObserver::open(const std::filesystem::path& path) {
  file_ = std::fopen(path.c_str(), "ae");
  if (file_ == nullptr) {
    failure_ = fmt::format("{} cannot be written: {}", path.string(), std::strerror(errno));
    return;
  }
  for (const std::string& line : kept_back_) put(line);
  kept_back_.clear();
}

void LogObserver::write(std::string_view kind, std::string_view text) {
  const std::string line =
      fmt::format("{:%Y-%m-%dT%H:%M:%SZ} {:<7} {}\n", fmt::gmtime(std::time(nullptr)), kind, text);
  if (file_ == nullptr)
    kept_back_.push_back(line);
  else
    put(line);
}

void LogObserver::put(const std::string& line) {
  const bool written =
      std::fwrite(line.data(), 1, line.size(), file_) == line.size() && std::fflush(file_) == 0;
  if (!written && !failure_)
    failure_ = fmt::format("run.log is not complete: {}", std::strerror(errno));
}

void LogObserver::begin(std::string_view stage, std::size_t total, std::string_view unit) {
  stage_ = stage;
  unit_ = unit;
  done_ = 0;
  started_ = std::chrono::steady_clock::now();
  write("begin", fmt::format("{}: {} {}", stage, total, unit));
}

void LogObserver::end() {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started_;
  write("end", fmt::format("{}: {} {} in {}", stage_, done_, unit_, duration_text(took.count())));
}

}  // namespace graft::program
