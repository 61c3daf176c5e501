#pragma once
// Reader of trace files, for tests.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace graft::test {

struct TracedSpan {
  std::string thread;  // the name of its row
  std::string name;
  std::uint64_t number = 0;
  std::int64_t begin = 0, end = 0;  // nanoseconds
  // Of a device's work: when the host gave it to the device, its layer, the bytes that it promises.
  std::optional<std::int64_t> enqueued;
  std::string layer;
  std::uint64_t bytes = 0;
};

struct TracedCount {
  std::string name;
  std::int64_t when = 0;  // nanoseconds
  std::int64_t value = 0;
};

// The spans of a trace file's text, in its order. Throws when it is no such file.
std::vector<TracedSpan> traced_spans(const std::string& json);

// Its counts, in its order.
std::vector<TracedCount> traced_counts(const std::string& json);

// The first fault of a trace file's text, in a sentence; empty without one. Each event is a row's
// name, a span or a count; each row has one name; times are not negative; a row's spans are in the
// order of their ends and nest, and those of a device follow each other; counts are in the order of
// their times and are not negative.
std::string fault_of_trace(const std::string& json);

// Those of one name.
std::vector<TracedSpan> named(const std::vector<TracedSpan>& spans, const std::string& name);

// Two spans of one thread that overlap without one containing the other; empty without such spans.
std::string crossing_spans(const std::vector<TracedSpan>& spans);

// Pairs of a photo and a batch in the backbone that overlap in time, where the photo belongs to a
// later batch.
std::size_t photos_beside_the_backbone(const std::vector<TracedSpan>& spans,
                                       std::size_t batch_size);

}  // namespace graft::test
