// The range of --profile: its text, and the spans during which the profiler records.

#include "engine/profile/profile_range.h"

#include <gmock/gmock.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/support/support.h"

namespace graft {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Writes down what happens, in order.
class Diary final : public Tracer, public DeviceProfiler {
 public:
  void name_thread(const std::string& name) override { lines.push_back("thread " + name); }
  void begin(const char* name, std::uint64_t number) noexcept override {
    lines.push_back(std::string(name) + ' ' + std::to_string(number));
  }
  void end() noexcept override { lines.emplace_back("end"); }
  bool start() noexcept override {
    lines.emplace_back("START");
    return accepts;
  }
  bool stop() noexcept override {
    lines.emplace_back("STOP");
    return accepts;
  }

  std::vector<std::string> lines;
  bool accepts = true;
};

// The range profiler and its output, joined as in the program.
struct Profiled {
  Profiled(const std::string& range, Diary& diary)
      : profiler(parse_profile_range(range), diary), tracer({&profiler, &diary}) {
    profiler.use(diary);
  }
  // first … last by number, inside a span "around".
  void spans(const char* name, std::uint64_t first, std::uint64_t last) {
    const TraceSpan around(&tracer, "around");
    for (std::uint64_t number = first; number <= last; ++number) {
      const TraceSpan span(&tracer, name, number);
      const TraceSpan inner(&tracer, "inner");
    }
  }

  RangeProfiler profiler;
  TeeTracer tracer;
};

class Range : public ::testing::Test {
 protected:
  std::ptrdiff_t count_of(const char* line) const { return std::ranges::count(diary_.lines, line); }
  Diary diary_;
};

TEST_F(Range, EpochsAndBatchesAreParsed) {
  const ProfileRange epochs = parse_profile_range("epoch:2-4");
  EXPECT_STREQ(epochs.span, "epoch");
  EXPECT_EQ(epochs.first, 2U);
  EXPECT_EQ(epochs.last, 4U);
  const ProfileRange batch = parse_profile_range("batches:0");
  EXPECT_STREQ(batch.span, "backbone");
  EXPECT_EQ(batch.first, 0U);
  EXPECT_EQ(batch.last, 0U);
}

TEST_F(Range, AnInvalidRangeIsRefused) {
  for (const auto& [text, sentence] : {std::pair{"", "this is not a range"},
                                       {"steps:3", "this is not a range"},
                                       {"epoch", "a number must follow the colon"},
                                       {"epoch:", "must follow the colon"},
                                       {"epoch:x", "must follow the colon"},
                                       {"epoch:1-", "must follow the colon"},
                                       {"epoch:-2", "must follow the colon"},
                                       {"epoch:1-2-3", "must follow the colon"},
                                       {"batches:99999999999999999999", "must follow the colon"},
                                       {"batches:9-3", "ends before it begins"},
                                       {"epoch:0-3", "counted from 1"}}) {
    EXPECT_THAT(test::error_of([&, t = text] { parse_profile_range(t); }), HasSubstr(sentence))
        << text;
  }
}

TEST_F(Range, TheProfilerIsOnAroundExactlyTheseSpans) {
  Profiled run("epoch:2-3", diary_);
  run.spans("epoch", 1, 4);
  EXPECT_THAT(diary_.lines,
              ElementsAre("around 0", "epoch 1", "inner 0", "end", "end",             //
                          "START", "profiled 0", "epoch 2", "inner 0", "end", "end",  //
                          "epoch 3", "inner 0", "end", "end", "end", "STOP",          //
                          "epoch 4", "inner 0", "end", "end", "end"));
  EXPECT_FALSE(run.profiler.warning());
}

TEST_F(Range, ARangeThatIsCutOffStopsWithTheSpanAroundIt) {
  Profiled run("batches:3-9", diary_);
  run.spans("backbone", 3, 4);
  EXPECT_THAT(diary_.lines, ElementsAre("around 0", "START", "profiled 0",      //
                                        "backbone 3", "inner 0", "end", "end",  //
                                        "backbone 4", "inner 0", "end", "end",  //
                                        "end", "end", "STOP"));
  ASSERT_TRUE(run.profiler.warning());
  EXPECT_THAT(*run.profiler.warning(), HasSubstr("batches:3-9: the last one profiled is 4"));
}

TEST_F(Range, ItBeginsOnce) {
  Profiled run("batches:0-1", diary_);
  run.spans("backbone", 0, 3);
  run.spans("backbone", 0, 3);  // the second set of photos
  EXPECT_EQ(count_of("START"), 1);
  EXPECT_EQ(count_of("STOP"), 1);
}

// A job computes all of its sets inside of one span.
TEST_F(Range, TheNextSetOfPhotosIsNotPartOfIt) {
  Profiled run("batches:2-9", diary_);
  {
    const TraceSpan around(&run.tracer, "extract");
    for (const std::uint64_t number : {2U, 3U, 0U, 1U, 2U, 3U, 4U}) {
      const TraceSpan span(&run.tracer, "backbone", number);
    }
  }
  const auto stop = std::ranges::find(diary_.lines, "STOP");
  EXPECT_EQ(count_of("STOP"), 1);
  EXPECT_LT(std::ranges::find(diary_.lines, "backbone 3"), stop);
  EXPECT_GT(std::ranges::find(diary_.lines, "backbone 0"), stop);
  ASSERT_TRUE(run.profiler.warning());
  EXPECT_THAT(*run.profiler.warning(), HasSubstr("the last one profiled is 3"));
}

// A batch of bad images only has no span.
TEST_F(Range, ANumberThatIsMissingEndsItToo) {
  Profiled run("batches:2-3", diary_);
  {
    const TraceSpan around(&run.tracer, "around");
    { const TraceSpan span(&run.tracer, "backbone", 2); }
    { const TraceSpan span(&run.tracer, "backbone", 5); }
  }
  EXPECT_THAT(diary_.lines, ElementsAre("around 0", "START", "profiled 0", "backbone 2", "end",
                                        "end", "STOP", "backbone 5", "end", "end"));
}

TEST_F(Range, OtherThreadsDoNotCount) {
  Profiled run("batches:1", diary_);
  std::thread([&] { run.spans("backbone", 0, 2); }).join();
  EXPECT_EQ(count_of("START"), 0);
}

TEST_F(Range, ARangeThatNeverCameIsAWarning) {
  Profiled run("epoch:7", diary_);
  run.spans("epoch", 1, 3);
  EXPECT_EQ(count_of("START"), 0);
  ASSERT_TRUE(run.profiler.warning());
  EXPECT_THAT(*run.profiler.warning(), HasSubstr("epoch:7: nothing was profiled"));
}

TEST_F(Range, AProfilerThatFailsIsAWarning) {
  diary_.accepts = false;
  Profiled run("epoch:1", diary_);
  run.spans("epoch", 1, 1);
  ASSERT_TRUE(run.profiler.warning());
  EXPECT_THAT(*run.profiler.warning(), HasSubstr("could not be started or stopped"));
}

}  // namespace
}  // namespace graft
