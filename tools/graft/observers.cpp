#include "tools/graft/observers.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "engine/base/text.h"
#include "tools/graft/standard_output.h"

namespace graft::program {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto redraw_interval = milliseconds(100);
constexpr auto sample_interval = milliseconds(500);
constexpr std::size_t samples_kept = 20;

double seconds_between(Rate::Clock::time_point from, Rate::Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

std::size_t columns_of(std::FILE* stream) {
  winsize size{};
  if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

// Errors are ignored: a run goes on when its progress cannot be shown.
void put(std::FILE* stream, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

}  // namespace

void Rate::start(Clock::time_point now) {
  samples_.clear();
  samples_.emplace_back(now, 0);
}

void Rate::add(Clock::time_point now, std::size_t done) {
  // The newest sample moves until it is old enough to be kept.
  if (samples_.size() > 1 && now - samples_[samples_.size() - 2].first < sample_interval)
    samples_.back() = {now, done};
  else
    samples_.emplace_back(now, done);
  if (samples_.size() > samples_kept) samples_.pop_front();
}

double Rate::per_second() const {
  if (samples_.size() < 2) return 0.0;
  const double elapsed = seconds_between(samples_.front().first, samples_.back().first);
  const auto& [first, last] = std::pair{samples_.front().second, samples_.back().second};
  return elapsed <= 0.0 || last <= first ? 0.0 : static_cast<double>(last - first) / elapsed;
}

TerminalStyle TerminalStyle::of(std::FILE* stream, bool quiet) {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool dumb = terminal != nullptr && std::string_view(terminal) == "dumb";
  TerminalStyle style;
  style.quiet = quiet;
  style.is_terminal = isatty(fileno(stream)) == 1 && !dumb;
  style.colour = style.is_terminal && (no_colour == nullptr || *no_colour == '\0');
  return style;
}

void TerminalObserver::begin(std::string_view stage, std::size_t total, std::string_view unit) {
  stage_ = stage;
  unit_ = unit;
  total_ = total;
  done_ = 0;
  in_stage_ = true;
  in_table_ = false;
  started_ = Rate::Clock::now();
  shown_at_ = started_;
  shown_done_ = 0;
  rate_.start(started_);
  if (style_.quiet) return;
  if (style_.is_terminal)
    draw_bar();
  else
    line(fmt::format("{}: {} {}", stage_, total_, unit_));
}

void TerminalObserver::advance(std::size_t done_in_all) {
  done_ = done_in_all;
  if (style_.quiet || !in_stage_) return;
  const auto now = Rate::Clock::now();
  rate_.add(now, done_);
  if (!style_.is_terminal) {
    plain_progress(now);
  } else if (now - shown_at_ >= redraw_interval) {
    shown_at_ = now;
    draw_bar();
  }
}

void TerminalObserver::end() {
  if (!in_stage_) return;
  in_stage_ = false;
  if (style_.quiet) return;
  clear_bar();
  line(fmt::format("{}: {} {} in {}", stage_, done_, unit_,
                   duration_text(seconds_between(started_, Rate::Clock::now()))));
}

void TerminalObserver::note(std::string_view sentence) {
  if (!style_.quiet) line(sentence);
}

void TerminalObserver::warn(std::string_view sentence) {
  line(sentence, style_.colour ? "\x1b[33mwarning:\x1b[0m " : "warning: ");
}

void TerminalObserver::row(std::string_view text) {
  in_table_ = true;
  if (!style_.quiet) line(text);
}

void TerminalObserver::line(std::string_view text, std::string_view head) {
  clear_bar();
  put(stream_, fmt::format("{}{}\n", head, safe_lines(text)));
  if (in_stage_ && style_.is_terminal && !style_.quiet) draw_bar();
}

std::string TerminalObserver::speed() const {
  const double rate = rate_.per_second();
  if (rate <= 0.0) return "";
  const auto left = static_cast<double>(total_ - std::min(done_, total_));
  return fmt::format("{:.{}f} {}/s, {} left", rate, rate < 100.0 ? 1 : 0, unit_,
                     duration_text(left / rate));
}

void TerminalObserver::draw_bar() {
  constexpr std::size_t cells = 24;
  const std::size_t done = std::min(done_, total_);
  const std::size_t full = total_ == 0 ? cells : cells * done / total_;
  const std::string bar = std::string(full, '#') + std::string(cells - full, '.');
  std::string text = fmt::format("{} [{}] {}/{}  {}", stage_, bar, done_, total_, speed());
  text.resize(
      std::min(text.size(), columns_of(stream_) - 1));  // a line that wraps cannot be redrawn
  if (style_.colour && full > 0 && text.find(bar) != std::string::npos)
    text.replace(text.find(bar), full, fmt::format("\x1b[32m{}\x1b[0m", bar.substr(0, full)));
  put(stream_, "\r\x1b[2K" + text);
  bar_drawn_ = true;
}

void TerminalObserver::clear_bar() {
  if (!bar_drawn_) return;
  put(stream_, "\r\x1b[2K");
  bar_drawn_ = false;
}

void TerminalObserver::plain_progress(Rate::Clock::time_point now) {
  if (in_table_) return;  // its rows show the progress
  // A line for each tenth, at most one a second.
  const std::size_t step = std::max<std::size_t>(1, total_ / 10);
  if (done_ < shown_done_ + step || done_ >= total_ || now - shown_at_ < seconds(1)) return;
  shown_done_ = done_;
  shown_at_ = now;
  const std::string rate = speed();
  line(fmt::format("{}: {} of {} {} ({} %){}{}", stage_, done_, total_, unit_, 100 * done_ / total_,
                   rate.empty() ? "" : ", ", rate));
}

LogObserver::~LogObserver() {
  if (file_ != nullptr) std::fclose(file_);
}

void LogObserver::open(const std::filesystem::path& path) {
  const int descriptor = ::open(
      path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
  if (descriptor >= 0) file_ = fdopen(descriptor, "a");
  if (file_ == nullptr) {
    failure_ = fmt::format("{} cannot be written: {}", shown(path),
                           errno == ELOOP ? "it is a link" : std::strerror(errno));
    return;
  }
  for (const std::string& line : pending_) put(line);
  pending_.clear();
}

void LogObserver::write(std::string_view kind, std::string_view text) {
  // A line of the log begins with a time, the next lines of a text with spaces.
  const std::string line =
      fmt::format("{:%Y-%m-%dT%H:%M:%SZ} {:<7} {}\n", fmt::gmtime(std::time(nullptr)), kind,
                  replace_all(safe_lines(text), "\n", "\n    "));
  if (file_ == nullptr)
    pending_.push_back(line);
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
  next_.begin(stage, total, unit);
  stage_ = stage;
  unit_ = unit;
  done_ = 0;
  started_ = Rate::Clock::now();
  write("begin", fmt::format("{}: {} {}", stage, total, unit));
}

void LogObserver::end() {
  next_.end();
  write("end", fmt::format("{}: {} {} in {}", stage_, done_, unit_,
                           duration_text(seconds_between(started_, Rate::Clock::now()))));
}

void LogObserver::note(std::string_view sentence) {
  next_.note(sentence);
  write("note", sentence);
}

void LogObserver::warn(std::string_view sentence) {
  next_.warn(sentence);
  write("warning", sentence);
}

void LogObserver::row(std::string_view line) {
  next_.row(line);
  write("row", line);
}

}  // namespace graft::program
