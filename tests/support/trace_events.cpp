#include "tests/support/trace_events.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

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
    spans.push_back({threads.at(event.at("tid")), event.at("name"), event.at("args").at("number"),
                     begin, begin + nanoseconds(event.at("dur"))});
  }
  return spans;
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
