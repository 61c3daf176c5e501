// Spans of work, and the file of them.

#include "engine/base/trace.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/files.h"
#include "tests/support/support.h"
#include "tests/support/trace_events.h"

namespace graft {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The trace's events of one phase ("X" a span, "M" a name), as "row name number" or "row name".
std::vector<std::string> events(const ChromeTrace& trace, const std::string& phase) {
  std::vector<std::string> found;
  const nlohmann::json whole = nlohmann::json::parse(trace.json());
  for (const auto& event : whole.at("traceEvents")) {
    if (event.at("ph") != phase) continue;
    const nlohmann::json& args = event.at("args");
    found.push_back(std::to_string(event.at("tid").get<int>()) + ' ' +
                    (phase == "M" ? args.at("name").get<std::string>()
                                  : event.at("name").get<std::string>() + ' ' +
                                        std::to_string(args.at("number").get<int>())));
  }
  return found;
}

TEST(Trace, AnEmptyTraceIsWhole) {
  EXPECT_TRUE(nlohmann::json::parse(ChromeTrace().json()).at("traceEvents").empty());
}

TEST(Trace, SpansNestAndThoseThatHaveNotEndedAreLeftOut) {
  ChromeTrace trace;
  trace.name_thread("main");
  const TraceSpan run(&trace, "run");
  {
    const TraceSpan outer(&trace, "outer", 1);
    const TraceSpan inner(&trace, "inner", 2);
  }
  { const TraceSpan next(&trace, "next", 3); }
  EXPECT_THAT(events(trace, "M"), ElementsAre("1 main"));
  EXPECT_THAT(events(trace, "X"), ElementsAre("1 inner 2", "1 outer 1", "1 next 3"));
}

TEST(Trace, ASpanLastsFromItsBeginToItsEnd) {
  ChromeTrace trace;
  {
    const TraceSpan outer(&trace, "outer");
    const TraceSpan inner(&trace, "inner");
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  const nlohmann::json spans = nlohmann::json::parse(trace.json()).at("traceEvents");
  ASSERT_EQ(spans.size(), 3U);  // and the row's name
  EXPECT_GE(spans[1].at("dur").get<double>(), 2000.0);
  EXPECT_LE(spans[2].at("ts").get<double>(), spans[1].at("ts").get<double>());
  EXPECT_GE(spans[2].at("dur").get<double>(), spans[1].at("dur").get<double>());
}

TEST(Trace, AThreadHasARowAndOneOfTheSameNameFollowsOnIt) {
  ChromeTrace trace;
  trace.name_thread("main");
  for (const char* name : {"decoder 1", "writer", "decoder 1"}) {
    std::thread([&] {
      trace.name_thread(name);
      const TraceSpan span(&trace, "work");
    }).join();
  }
  std::thread([&] { const TraceSpan span(&trace, "work"); }).join();  // may get an old thread's id
  { const TraceSpan span(&trace, "work"); }
  const auto spans = events(trace, "X");
  ASSERT_EQ(spans.size(), 5U);
  EXPECT_THAT(std::vector(spans.begin(), spans.begin() + 3),
              ElementsAre("2 work 0", "3 work 0", "2 work 0"));
  EXPECT_EQ(spans[4], "1 work 0");
}

TEST(Trace, AThreadMayHaveAnyName) {
  const std::string name = "a \"quoted\" \\ name,\n\x01 in Zürich";
  ChromeTrace trace;
  trace.name_thread(name);
  EXPECT_THAT(events(trace, "M"), ElementsAre("1 " + name));
}

TEST(Trace, ACountIsACounterEventAndNoSpan) {
  ChromeTrace trace;
  TraceCounter queue(&trace, "queue"), silent(nullptr, "silent");
  for (const int step : {1, 1, -1, -1, 1}) {
    step > 0 ? queue.more() : queue.fewer();
    step > 0 ? silent.more() : silent.fewer();
  }
  EXPECT_EQ(test::fault_of_trace(trace.json()), "");
  std::vector<std::int64_t> values;
  for (const auto& count : test::traced_counts(trace.json())) {
    EXPECT_EQ(count.name, "queue");
    values.push_back(count.value);
  }
  EXPECT_THAT(values, ElementsAre(1, 2, 1, 0, 1));
}

TEST(Trace, ADevicesWorkHasARowOfItsQueueAndTheHostsClock) {
  using namespace std::chrono_literals;
  const auto before = std::chrono::steady_clock::now();
  ChromeTrace trace;
  trace.name_thread("main");
  DeviceSpan span;
  span.row = "cuda compute";
  span.name = "bias_relu";
  span.layer = "block1_conv1";
  span.batch = 7;
  span.bytes = 123;
  span.enqueued = before + 1s;
  span.begin = before + 2s;
  span.end = before + 2500ms;
  trace.device_span(span);
  span.layer = nullptr;
  span.bytes = 0;
  span.begin = span.end;
  trace.device_span(span);
  EXPECT_EQ(test::fault_of_trace(trace.json()), "");
  const auto spans = test::traced_spans(trace.json());
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(spans[0].thread, "cuda compute");
  EXPECT_EQ(spans[0].name, "bias_relu");
  EXPECT_EQ(spans[0].layer, "block1_conv1");
  EXPECT_EQ(spans[0].number, 7U);
  EXPECT_EQ(spans[0].bytes, 123U);
  EXPECT_EQ(spans[0].end - spans[0].begin, 500'000'000);
  EXPECT_EQ(spans[0].begin - *spans[0].enqueued, 1'000'000'000);
  EXPECT_LE(spans[0].begin, 2'000'000'000);
  EXPECT_EQ(spans[1].layer, "");
  EXPECT_EQ(spans[1].bytes, 0U);
}

TEST(Trace, ATeePassesAllOnAndWantsWhatTheFinestWants) {
  ChromeTrace first, second;
  TeeTracer tee({&first, &second});
  EXPECT_EQ(tee.detail(), TraceDetail::device_times);
  EXPECT_EQ(TeeTracer({}).detail(), TraceDetail::stages);
  tee.name_thread("main");
  { const TraceSpan span(&tee, "work", 3); }
  tee.count("queue", 2);
  DeviceSpan span;
  span.row = "cuda compute";
  span.name = "kernel";
  span.begin = span.end = span.enqueued = std::chrono::steady_clock::now();
  tee.device_span(span);
  for (const ChromeTrace* trace : {&first, &second}) {
    EXPECT_THAT(events(*trace, "M"), ElementsAre("1 main", "2 cuda compute"));
    EXPECT_THAT(events(*trace, "X"), ElementsAre("1 work 3", "2 kernel 0"));
    EXPECT_EQ(test::traced_counts(trace->json()).size(), 1U);
  }
}

TEST(Trace, OnlyThoseListenWhoWantThatMuch) {
  ChromeTrace all;
  EXPECT_EQ(listening(&all, TraceDetail::kernels), &all);
  TeeTracer nobody({});
  EXPECT_EQ(listening(&nobody, TraceDetail::kernels), nullptr);
  EXPECT_EQ(listening(nullptr, TraceDetail::stages), nullptr);
}

TEST(Trace, TheFileIsWholeAndReplacesAnOlderOne) {
  const test::TemporaryFolder folder;
  const std::filesystem::path file = folder / "trace.json";
  test::write_bytes(file, "old");
  ChromeTrace trace;
  { const TraceSpan span(&trace, "work"); }
  trace.write(file);
  EXPECT_EQ(test::read_bytes(file), trace.json());
  EXPECT_FALSE(std::filesystem::exists(file.string() + ".partial"));
  EXPECT_THAT(test::error_of([&] { trace.write(folder / "none" / "trace.json"); }),
              HasSubstr("none/trace.json"));
}

}  // namespace
}  // namespace graft
