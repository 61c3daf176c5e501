#include "engine/base/trace.h"

#include <fmt/format.h>

#include <new>

#include "engine/base/file.h"
#include "engine/base/json.h"

namespace graft {
namespace {

double microseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

}  // namespace

void ChromeTrace::name_thread(const std::string& name) {
  const std::lock_guard lock(mutex_);
  threads_[std::this_thread::get_id()] = row_of_name(name);
}

void ChromeTrace::device_span(const DeviceSpan& span) noexcept {
  const std::lock_guard lock(mutex_);
  if (full_) return;
  try {
    device_spans_.push_back(span);
    row_of_name(span.row);
  } catch (const std::bad_alloc&) {
    full_ = true;
  }
}

void ChromeTrace::add(const char* name, std::uint64_t number, bool is_count) noexcept {
  const std::lock_guard lock(mutex_);
  if (full_) return;
  try {
    // The clock is read under the lock, so that the events are in the order of their times.
    const auto when = Clock::now() - start_;
    events_.push_back({name, number, when, is_count ? no_row : row_of_this_thread()});
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

// A complete event ("X") for each span and a counter event ("C") for each count, times in
// microseconds. Names of spans are literals of the engine and need no escapes.
std::string ChromeTrace::json() const {
  const std::lock_guard lock(mutex_);
  std::string text = R"({"displayTimeUnit":"ms","traceEvents":[)";
  const char* separator = "\n";
  const auto add_event = [&](const std::string& event) {
    text += separator + event;
    separator = ",\n";
  };
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    add_event(
        fmt::format(R"({{"ph":"M","pid":1,"tid":{},"name":"thread_name","args":{{"name":{}}}}})",
                    row + 1, json_text(rows_[row])));
  }
  std::vector<std::vector<const Event*>> open(rows_.size());  // of each row, outermost first
  for (const Event& event : events_) {
    if (event.row == no_row) {
      add_event(fmt::format(R"({{"ph":"C","pid":1,"name":"{}","ts":{:.3f},"args":{{"count":{}}}}})",
                            event.name, microseconds(event.when), event.number));
      continue;
    }
    std::vector<const Event*>& spans = open[event.row];
    if (event.name != nullptr) {
      spans.push_back(&event);
      continue;
    }
    if (spans.empty()) continue;
    const Event& begun = *spans.back();
    spans.pop_back();
    add_event(fmt::format(
        R"({{"ph":"X","pid":1,"tid":{},"name":"{}","ts":{:.3f},"dur":{:.3f},"args":{{"number":{}}}}})",
        event.row + 1, begun.name, microseconds(begun.when), microseconds(event.when - begun.when),
        begun.number));
  }
  for (const DeviceSpan& span : device_spans_) {
    const auto row = std::find(rows_.begin(), rows_.end(), span.row) - rows_.begin();
    add_event(fmt::format(
        R"({{"ph":"X","pid":1,"tid":{},"name":"{}","ts":{:.3f},"dur":{:.3f},"args":{{"number":{},"enqueued":{:.3f}{}{}}}}})",
        row + 1, span.name, microseconds(span.begin - start_), microseconds(span.end - span.begin),
        span.batch, microseconds(span.enqueued - start_),
        span.layer != nullptr ? fmt::format(R"(,"layer":"{}")", span.layer) : "",
        span.bytes != 0 ? fmt::format(R"(,"bytes":{})", span.bytes) : ""));
  }
  return text + "\n]}\n";
}

void ChromeTrace::write(const std::filesystem::path& path) const {
  write_file_whole(path, json());
}

}  // namespace graft
