#pragma once
// Observers of a run: a progress bar on a terminal, plain lines elsewhere, and OUTPUT/run.log.

#include <chrono>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/observer.h"

namespace graft::program {

// The rate of a stage over its last seconds, so that rows reused from an earlier run (a jump at the
// start) do not distort it for long.
class Rate {
 public:
  using Clock = std::chrono::steady_clock;
  void start(Clock::time_point now);
  void add(Clock::time_point now, std::size_t done);
  double per_second() const;  // 0 while unknown

 private:
  std::deque<std::pair<Clock::time_point, std::size_t>> samples_;
};

struct TerminalStyle {
  bool is_terminal = false;  // a bar that is redrawn, else a line for each tenth of a stage
  bool colour = false;
  bool quiet = false;  // warnings only
  // Colour only on a terminal, and never with NO_COLOR in the environment.
  static TerminalStyle of(std::FILE* stream, bool quiet);
};

class TerminalObserver final : public Observer {
 public:
  TerminalObserver(std::FILE* stream, TerminalStyle style) : stream_(stream), style_(style) {}
  ~TerminalObserver() override { clear_bar(); }
  TerminalObserver(const TerminalObserver&) = delete;
  TerminalObserver& operator=(const TerminalObserver&) = delete;

  void begin(std::string_view stage, std::size_t total, std::string_view unit) override;
  void advance(std::size_t done_in_all) override;
  void end() override;
  void note(std::string_view sentence) override;
  void warn(std::string_view sentence) override;
  void row(std::string_view line) override;

 private:
  void line(std::string_view text, std::string_view head = "");
  void draw_bar();
  void clear_bar();
  void plain_progress(Rate::Clock::time_point now);
  std::string speed() const;  // "12.9 images/s, 2 min 20 s left"

  std::FILE* stream_;
  TerminalStyle style_;
  std::string stage_;
  std::string unit_;
  std::size_t total_ = 0;
  std::size_t done_ = 0;
  Rate rate_;
  Rate::Clock::time_point started_;
  Rate::Clock::time_point shown_at_;
  std::size_t shown_done_ = 0;
  bool in_stage_ = false;
  bool in_table_ = false;  // rows were printed: off a terminal no progress line goes between them
  bool bar_drawn_ = false;
};

// Lines with the time in UTC, appended to the file, which is no link. Until open() they are kept in
// memory, so that a run whose folder is locked by another writes nothing there. Passes everything to
// `next`, which it borrows.
class LogObserver final : public Observer {
 public:
  explicit LogObserver(Observer& next) : next_(next) {}
  ~LogObserver() override;
  LogObserver(const LogObserver&) = delete;
  LogObserver& operator=(const LogObserver&) = delete;

  void open(const std::filesystem::path& path);
  void write(std::string_view kind, std::string_view text);
  // The first reason why a line could not be written. It does not stop the run.
  std::optional<std::string> failure() const { return failure_; }

  void begin(std::string_view stage, std::size_t total, std::string_view unit) override;
  void advance(std::size_t done_in_all) override { next_.advance(done_ = done_in_all); }
  void end() override;
  void note(std::string_view sentence) override;
  void warn(std::string_view sentence) override;
  void row(std::string_view line) override;

 private:
  void put(const std::string& line);

  Observer& next_;
  std::FILE* file_ = nullptr;
  std::vector<std::string> pending_;
  std::optional<std::string> failure_;
  std::string stage_;
  std::string unit_;
  std::size_t done_ = 0;
  std::chrono::steady_clock::time_point started_;
};

}  // namespace graft::program
