#include "engine/profile/profile_range.h"

#include <fmt/format.h>

#include <string_view>

#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft {

ProfileRange parse_profile_range(const std::string& text) {
  const auto refuse = [&](std::string_view why) {
    throw Error(ErrorKind::usage,
                "--profile {}: {}; write \"epoch:2\", \"epoch:2-4\" or \"batches:10-20\"", text,
                why);
  };
  const std::size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  if (kind != "epoch" && kind != "batches") refuse("this is not a range of epochs or batches");
  const bool epochs = kind == "epoch";
  const std::string_view numbers =
      colon == std::string::npos ? std::string_view() : std::string_view(text).substr(colon + 1);
  const std::size_t dash = numbers.find('-');
  const auto first = whole_number(numbers.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : whole_number(numbers.substr(dash + 1));
  if (!first || !last) refuse("a number must follow the colon, or two with a dash between");
  if (*first > *last) refuse("the range ends before it begins");
  if (epochs && *first == 0) refuse("epochs are counted from 1");
  return {text, epochs ? "epoch" : "backbone", *first, *last};
}

std::optional<std::string> RangeProfiler::warning() const {
  const auto sentence = [&](const std::string& text) {
    return fmt::format("--profile {}: {}", range_.text, text);
  };
  if (has_failed_) return sentence("the device's profiler could not be started or stopped");
  if (state_ == State::before) {
    return sentence(std::string("nothing was profiled: the run never reached this range") +
                    (std::string_view(range_.span) == "epoch"
                         ? ""
                         : " (photos with stored features are not computed again)"));
  }
  if (reached_ < range_.last) return sentence(fmt::format("the last one profiled is {}", reached_));
  return std::nullopt;
}

void RangeProfiler::begin(const char* name, std::uint64_t number) noexcept {
  if (!is_own_thread()) return;
  if (device_ != nullptr && std::string_view(name) == range_.span) {
    // A number that does not grow is the next set of photos.
    if (state_ == State::inside && (number > range_.last || number <= reached_)) stop();
    const bool is_in_range = number >= range_.first && number <= range_.last;
    if (is_in_range && state_ == State::before) start();
    if (is_in_range && state_ == State::inside) reached_ = number;
  }
  ++depth_;
}

void RangeProfiler::end() noexcept {
  if (!is_own_thread()) return;
  --depth_;
  if (state_ != State::inside) return;
  const bool enclosing_span_ended = depth_ < range_depth_;
  const bool last_ended = reached_ == range_.last && depth_ == range_depth_;
  if (enclosing_span_ended || last_ended) stop();
}

void RangeProfiler::start() noexcept {
  state_ = State::inside;
  range_depth_ = depth_;
  if (!device_->start()) has_failed_ = true;
  spans_.begin("profiled", 0);
}

void RangeProfiler::stop() noexcept {
  state_ = State::after;
  spans_.end();
  if (!device_->stop()) has_failed_ = true;
}

}  // namespace graft
