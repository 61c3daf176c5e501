// The range of --profile, and when the profiler is on.

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

class Range : public ::testing::Test {
 protected:
  RangeProfiler profiler(const std::string& range) {
    return RangeProfiler(parse_profile_range(range), &diary_);
  }
  static void spans(Tracer& tracer, const char* name, std::uint64_t first, std::uint64_t last) {
    const TraceSpan around(&tracer, "around");
    for (std::uint64_t number = first; number <= last; ++number) {
      const TraceSpan span(&tracer, name, number);
      const TraceSpan inner(&tracer, "inner");
    }
  }

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

TEST_F(Range, WhatIsNoneIsASentence) {
  for (const auto& [text, sentence] : {std::pair{"", "this is no range"},
                                       {"steps:3", "this is no range"},
                                       {"epoch", "after the colon stands a number"},
                                       {"epoch:", "after the colon"},
                                       {"epoch:x", "after the colon"},
                                       {"epoch:1-", "after the colon"},
                                       {"epoch:-2", "after the colon"},
                                       {"epoch:1-2-3", "after the colon"},
                                       {"batches:99999999999999999999", "after the colon"},
                                       {"batches:9-3", "ends before it begins"},
                                       {"epoch:0-3", "counted from 1"}}) {
    EXPECT_THAT(test::error_of([&, t = text] { parse_profile_range(t); }), HasSubstr(sentence))
        << text;
  }
}

TEST_F(Range, TheProfilerIsOnAroundExactlyTheseSpans) {
  RangeProfiler tracer = profiler("epoch:2-3");
  tracer.use(diary_);
  spans(tracer, "epoch", 1, 4);
  EXPECT_THAT(diary_.lines,
              ElementsAre("around 0", "epoch 1", "inner 0", "end", "end",             //
                          "START", "profiled 0", "epoch 2", "inner 0", "end", "end",  //
                          "epoch 3", "inner 0", "end", "end", "end", "STOP",          //
                          "epoch 4", "inner 0", "end", "end", "end"));
  EXPECT_FALSE(tracer.remark());
}

TEST_F(Range, ARangeThatIsCutOffStopsInsideOfWhatItLiesIn) {
  RangeProfiler tracer = profiler("batches:3-9");
  tracer.use(diary_);
  spans(tracer, "backbone", 3, 4);
  EXPECT_THAT(diary_.lines, ElementsAre("around 0", "START", "profiled 0",      //
                                        "backbone 3", "inner 0", "end", "end",  //
                                        "backbone 4", "inner 0", "end", "end",  //
                                        "end", "STOP", "end"));
  ASSERT_TRUE(tracer.remark());
  EXPECT_THAT(*tracer.remark(), HasSubstr("batches:3-9: the last that was profiled is 4"));
}

TEST_F(Range, ItBeginsOnce) {
  RangeProfiler tracer = profiler("batches:0-1");
  tracer.use(diary_);
  spans(tracer, "backbone", 0, 3);
  spans(tracer, "backbone", 0, 3);  // the second set of photos
  EXPECT_EQ(std::ranges::count(diary_.lines, "START"), 1);
  EXPECT_EQ(std::ranges::count(diary_.lines, "STOP"), 1);
}

// A job computes all of its sets inside of one span.
TEST_F(Range, TheNextSetOfPhotosIsNoPartOfIt) {
  RangeProfiler tracer = profiler("batches:2-9");
  tracer.use(diary_);
  {
    const TraceSpan around(&tracer, "extract");
    for (const std::uint64_t number : {2U, 3U, 0U, 1U, 2U, 3U, 4U}) {
      const TraceSpan span(&tracer, "backbone", number);
    }
  }
  const auto stop = std::ranges::find(diary_.lines, "STOP");
  EXPECT_EQ(std::ranges::count(diary_.lines, "STOP"), 1);
  EXPECT_LT(std::ranges::find(diary_.lines, "backbone 3"), stop);
  EXPECT_GT(std::ranges::find(diary_.lines, "backbone 0"), stop);
  ASSERT_TRUE(tracer.remark());
  EXPECT_THAT(*tracer.remark(), HasSubstr("the last that was profiled is 3"));
}

// A number may be left out: a batch of bad images only.
TEST_F(Range, ANumberThatIsMissingEndsItToo) {
  RangeProfiler tracer = profiler("batches:2-3");
  tracer.use(diary_);
  {
    const TraceSpan around(&tracer, "around");
    { const TraceSpan span(&tracer, "backbone", 2); }
    { const TraceSpan span(&tracer, "backbone", 5); }
  }
  EXPECT_THAT(diary_.lines, ElementsAre("around 0", "START", "profiled 0", "backbone 2", "end",
                                        "end", "STOP", "backbone 5", "end", "end"));
}

TEST_F(Range, OtherThreadsDoNotCount) {
  RangeProfiler tracer = profiler("batches:1");
  tracer.use(diary_);
  std::thread([&] { spans(tracer, "backbone", 0, 2); }).join();
  EXPECT_EQ(std::ranges::count(diary_.lines, "START"), 0);
}

TEST_F(Range, OneThatNeverCameIsRemarked) {
  RangeProfiler tracer = profiler("epoch:7");
  tracer.use(diary_);
  spans(tracer, "epoch", 1, 3);
  EXPECT_EQ(std::ranges::count(diary_.lines, "START"), 0);
  ASSERT_TRUE(tracer.remark());
  EXPECT_THAT(*tracer.remark(), HasSubstr("epoch:7: nothing was profiled"));
}

TEST_F(Range, ADeviceThatRefusesIsRemarked) {
  RangeProfiler tracer = profiler("epoch:1");
  diary_.accepts = false;
  tracer.use(diary_);
  spans(tracer, "epoch", 1, 1);
  ASSERT_TRUE(tracer.remark());
  EXPECT_THAT(*tracer.remark(), HasSubstr("could not be started or stopped"));
}

TEST_F(Range, NobodyElseNeedListen) {
  RangeProfiler tracer(parse_profile_range("epoch:1"), nullptr);
  tracer.use(diary_);
  tracer.name_thread("main");
  spans(tracer, "epoch", 1, 1);
  EXPECT_THAT(diary_.lines, ElementsAre("START", "STOP"));
  EXPECT_EQ(tracer.detail(), TraceDetail::stages);
}

}  // namespace
}  // namespace graft
