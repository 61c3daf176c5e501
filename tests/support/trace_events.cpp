#include "tests/support/trace_events.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace graft::test {
namespace {

std::int64_t nanoseconds(const nlohmann::json& microseconds) {
  return std::llround(microseconds.get<double>() * 1000.0);
}

}  // namespace

std::vector<TracedSpan> traced_spans(const std::string& json) {
  const auto events = nlohmann::json::parse(json).at("traceEvents");
  std::map<int, std::string> threads;
  for (const auto& event : events) {
    if (event.at("ph") == "M") threads[event.at("tid")] = event.at("args").at("name");
  }
  std::vector<TracedSpan> spans;
  for (const auto& event : events) {
    if (event.at("ph") != "X") continue;
    const std::int64_t begin = nanoseconds(event.at("ts"));
    const auto& args = event.at("args");
    TracedSpan& span = spans.emplace_back();
    span = {threads.at(event.at("tid")),
            event.at("name"),
            args.at("number"),
            begin,
            begin + nanoseconds(event.at("dur")),
            std::nullopt,
            args.value("layer", ""),
            args.value("bytes", std::uint64_t{0})};
    if (args.contains("enqueued")) span.enqueued = nanoseconds(args.at("enqueued"));
  }
  return spans;
}

std::vector<TracedCount> traced_counts(const std::string& json) {
  std::vector<TracedCount> counts;
  const auto trace = nlohmann::json::parse(json);
  for (const auto& event : trace.at("traceEvents")) {
    if (event.at("ph") != "C") continue;
    counts.push_back({event.at("name"), nanoseconds(event.at("ts")), event.at("args").at("count")});
  }
  return counts;
}

std::string fault_of_trace(const std::string& json) {
  const auto trace = nlohmann::json::parse(json);
  std::set<std::string> rows;
  for (const auto& event : trace.at("traceEvents")) {
    const std::string phase = event.at("ph");
    if (phase != "M" && phase != "X" && phase != "C") return "an event of phase " + phase;
    if (phase != "M") continue;
    const std::string row = event.at("args").at("name");
    if (!rows.insert(row).second) return "two rows of the name " + row;
  }
  std::map<std::string, std::int64_t> last;  // by row
  const std::vector<TracedSpan> spans = traced_spans(json);
  for (const TracedSpan& span : spans) {
    const std::int64_t since = span.enqueued ? span.begin : span.end;
    if (span.begin < 0 || span.end < span.begin || since < last[span.thread]) {
      return span.thread + ": " + span.name + ' ' + std::to_string(span.number) +
             " is out of order";
    }
    last[span.thread] = span.end;
  }
  std::int64_t before = 0;
  for (const TracedCount& count : traced_counts(json)) {
    if (count.when < before || count.value < 0 || count.value > 1000) {
      return "count of " + count.name + " is " + std::to_string(count.value);
    }
    before = count.when;
  }
  return crossing_spans(spans);
}

std::vector<TracedSpan> named(const std::vector<TracedSpan>& spans, const std::string& name) {
  std::vector<TracedSpan> found;
  std::copy_if(spans.begin(), spans.end(), std::back_inserter(found),
               [&](const TracedSpan& span) { return span.name == name; });
  return found;
}

std::string crossing_spans(const std::vector<TracedSpan>& spans) {
  for (const TracedSpan& a : spans) {
    for (const TracedSpan& b : spans) {
      if (a.thread == b.thread && a.begin < b.begin && b.begin < a.end && a.end < b.end) {
        return a.thread + ": " + a.name + ' ' + std::to_string(a.number) + " and " + b.name + ' ' +
               std::to_string(b.number);
      }
    }
  }
  return {};
}

std::size_t photos_beside_the_backbone(const std::vector<TracedSpan>& spans,
                                       std::size_t batch_size) {
  std::size_t pairs = 0;
  for (const TracedSpan& batch : named(spans, "backbone")) {
    for (const TracedSpan& photo : named(spans, "photo")) {
      const bool later = photo.number / batch_size > batch.number;
      if (later && photo.begin < batch.end && batch.begin < photo.end) ++pairs;
    }
  }
  return pairs;
}

}  // namespace graft::test
