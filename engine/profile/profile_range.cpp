#include "engine/profile/profile_range.h"

#include <fmt/format.h>

#include <charconv>
#include <system_error>

#include "engine/base/error.h"

namespace graft {
namespace {

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

ProfileRange parse_profile_range(const std::string& text) {
  const auto refuse = [&](std::string_view why) {
    throw Error(ErrorKind::usage,
                fmt::format("--profile {}: {}; say \"epoch:2\", \"epoch:2-4\" or \"batches:10-20\"",
                            text, why));
  };
  const std::size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  if (kind != "epoch" && kind != "batches") refuse("this is no range of epochs or batches");
  const bool epochs = kind == "epoch";
  const std::string_view numbers =
      colon == std::string::npos ? std::string_view() : std::string_view(text).substr(colon + 1);
  const std::size_t dash = numbers.find('-');
  const auto first = number_of(numbers.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : number_of(numbers.substr(dash + 1));
  if (!first || !last) refuse("after the colon stands a number, or two with a dash between");
  if (*first > *last) refuse("the range ends before it begins");
  if (epochs && *first == 0) refuse("epochs are counted from 1");
  return {text, epochs ? "epoch" : "backbone", *first, *last};
}

std::optional<std::string> RangeProfiler::remark() const {
  if (refused_) {
    return fmt::format("--profile {}: the device's profiler could not be started or stopped",
                       range_.text);
  }
  if (state_ == State::before) {
    return fmt::format("--profile {}: nothing was profiled: this run came to none of these{}",
                       range_.text,
                       std::string_view(range_.span) == "epoch"
                           ? ""
                           : " (photos that were computed before are not computed again)");
  }
  if (reached_ < range_.last) {
    return fmt::format("--profile {}: the last that was profiled is {}", range_.text, reached_);
  }
  return std::nullopt;
}

TraceDetail RangeProfiler::detail() const noexcept {
  return next_ == nullptr ? TraceDetail::stages : next_->detail();
}

void RangeProfiler::name_thread(const std::string& name) {
  if (next_ != nullptr) next_->name_thread(name);
}

void RangeProfiler::begin(const char* name, std::uint64_t number) noexcept {
  if (std::this_thread::get_id() == thread_) {
    const bool of_range = device_ != nullptr && std::string_view(name) == range_.span;
    // A number that does not grow: the next set of photos begins.
    const bool is_over = number > range_.last || number <= reached_;
    if (of_range && is_inside() && is_over) stop();
    if (of_range && number >= range_.first && number <= range_.last) {
      if (state_ == State::before) start();
      if (is_inside()) {
        reached_ = number;
        if (number == range_.last) state_ = State::inside_last;
      }
    }
    ++depth_;
  }
  if (next_ != nullptr) next_->begin(name, number);
}

void RangeProfiler::end() noexcept {
  const bool here = std::this_thread::get_id() == thread_;
  if (here) {
    --depth_;
    if (is_inside() && depth_ < range_depth_) stop();  // what the range lies in ends
  }
  if (next_ != nullptr) next_->end();
  if (here && state_ == State::inside_last && depth_ == range_depth_) stop();
}

void RangeProfiler::count(const char* name, std::uint64_t value) noexcept {
  if (next_ != nullptr) next_->count(name, value);
}

void RangeProfiler::device_span(const DeviceSpan& span) noexcept {
  if (next_ != nullptr) next_->device_span(span);
}

void RangeProfiler::name_queue(void* queue, const char* name) noexcept {
  if (next_ != nullptr) next_->name_queue(queue, name);
}

void RangeProfiler::start() noexcept {
  state_ = State::inside;
  range_depth_ = depth_;
  if (!device_->start()) refused_ = true;
  if (next_ != nullptr) next_->begin("profiled", 0);
}

void RangeProfiler::stop() noexcept {
  state_ = State::after;
  if (next_ != nullptr) next_->end();
  if (!device_->stop()) refused_ = true;
}

}  // namespace graft
