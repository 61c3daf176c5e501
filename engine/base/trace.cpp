#include "engine/base/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <new>
#include <string_view>

#include "engine/base/file.h"

namespace graft {
namespace {

// As it stands between the quotes of JSON.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      result += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace

void ChromeTrace::name_thread(const std::string& name) {
  const std::lock_guard lock(mutex_);
  threads_[std::this_thread::get_id()] = row_of_name(name);
}

void ChromeTrace::begin(const char* name, std::uint64_t number) noexcept {
  add(name, number);
}

void ChromeTrace::end() noexcept {
  add(nullptr, 0);
}

void ChromeTrace::add(const char* name, std::uint64_t number) noexcept {
  const std::lock_guard lock(mutex_);
  if (full_) return;
  try {
    // The clock is read under the lock, so that the events stand in the order of their times.
    events_.push_back({name, number, Clock::now() - start_, row_of_this_thread()});
  } catch (const std::bad_alloc&) {
    full_ = true;
  }
}

std::size_t ChromeTrace::row_of_name(const std::string& name) {
  const auto found = std::find(rows_.begin(), rows_.end(), name);
  if (found != rows_.end()) return static_cast<std::size_t>(found - rows_.begin());
  rows_.push_back(name);
  return rows_.size() - 1;
}

std::size_t ChromeTrace::row_of_this_thread() {
  const auto found = threads_.find(std::this_thread::get_id());
  if (found != threads_.end()) return found->second;
  const std::size_t row = row_of_name(fmt::format("thread {}", rows_.size() + 1));
  threads_[std::this_thread::get_id()] = row;
  return row;
}

// A complete event ("X") for each span, times in microseconds. The names of spans are literals of
// the engine's and need no escapes.
std::string ChromeTrace::json() const {
  const std::lock_guard lock(mutex_);
  std::string text = R"({"displayTimeUnit":"ms","traceEvents":[)";
  const auto out = std::back_inserter(text);
  const char* separator = "\n";
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    fmt::format_to(out,
                   R"({}{{"ph":"M","pid":1,"tid":{},"name":"thread_name","args":{{"name":"{}"}}}})",
                   separator, row + 1, escaped(rows_[row]));
    separator = ",\n";
  }
  std::vector<std::vector<const Event*>> open(rows_.size());  // of each row, outermost first
  const auto microseconds = [](Clock::duration duration) {
    return std::chrono::duration<double, std::micro>(duration).count();
  };
  for (const Event& event : events_) {
    std::vector<const Event*>& spans = open[event.row];
    if (event.name != nullptr) {
      spans.push_back(&event);
      continue;
    }
    if (spans.empty()) continue;
    const Event& begun = *spans.back();
    spans.pop_back();
    fmt::format_to(
        out,
        R"({}{{"ph":"X","pid":1,"tid":{},"name":"{}","ts":{:.3f},"dur":{:.3f},"args":{{"number":{}}}}})",
        separator, event.row + 1, begun.name, microseconds(begun.when),
        microseconds(event.when - begun.when), begun.number);
    separator = ",\n";
  }
  return text + "\n]}\n";
}

void ChromeTrace::write(const std::filesystem::path& path) const {
  write_file_whole(path, json());
}

}  // namespace graft
