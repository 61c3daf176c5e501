// What the pipeline's threads do at the same time, as its trace shows it.

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "engine/base/trace.h"
#include "engine/features/pipeline.h"
#include "tests/features/small_backend.h"
#include "tests/support/support.h"
#include "tests/support/trace_events.h"

namespace graft {
namespace {

using test::named;
using test::SmallBackbone;
using test::SmallBackend;
using test::TemporaryFolder;
using ::testing::IsSupersetOf;

constexpr std::size_t batch_size = 3;
constexpr std::size_t batches = 6;

// Of the calling thread: Linux keeps one for each.
int nice_value() {
  return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)));
}

// Lets a thread wait until another one has come to a place.
class Milestones {
 public:
  void reach(std::size_t place) {
    const std::lock_guard lock(mutex_);
    reached_.insert(place);
    changed_.notify_all();
  }
  void wait_for(std::size_t place) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return reached_.contains(place); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::size_t> reached_;
};

class PipelineTrace : public ::testing::Test {
 protected:
  PipelineTrace() {
    for (std::size_t i = 0; i < batches * batch_size; ++i) {
      test::write_png(image(i), static_cast<unsigned>(i));
    }
    request_.options = {{}, batch_size, 2};
    request_.options.data.image_size = test::small_image_size;
    request_.images = batches * batch_size;
    request_.path = [this](std::size_t i) { return image(i); };
    request_.sink = [](const FeatureBatch&) {};
    request_.sink_thread = SinkThread::own;
    trace_.name_thread("main");
  }
  std::filesystem::path image(std::size_t i) const {
    return folder_ / test::numbered("", i, ".png");
  }
  std::vector<test::TracedSpan> run(bool traced = true) {
    run_pipeline(request_, {backend_, observer_, traced ? &trace_ : nullptr}, backbone_);
    return test::traced_spans(trace_.json());
  }

  TemporaryFolder folder_;
  ChromeTrace trace_;
  SmallBackend backend_;
  SilentObserver observer_;
  SmallBackbone backbone_{false};
  PipelineRequest request_;
};

// Three buffers circulate: while batch n is in the backbone, n + 1 waits for it and n + 2 is being
// decoded. Each of the two waits here until the other has begun.
TEST_F(PipelineTrace, LaterBatchesAreDecodedWhileTheBackboneWorks) {
  Milestones decoding, computing;
  request_.path = [&](std::size_t i) {
    const std::size_t batch = i / batch_size;
    decoding.reach(batch);
    if (batch >= 2) computing.wait_for(batch - 2);
    return image(i);
  };
  backbone_.before_submit = [&](std::size_t batch) {
    computing.reach(batch);
    if (batch + 2 < batches) decoding.wait_for(batch + 2);
  };
  EXPECT_GE(test::photos_beside_the_backbone(run(), batch_size), batches - 2);
}

TEST_F(PipelineTrace, EachPhotoAndBatchHasItsSpanAndThoseOfAThreadNest) {
  const auto spans = run();
  EXPECT_EQ(test::crossing_spans(spans), "");
  for (const char* name : {"photo", "read", "decode", "resize"}) {
    std::set<std::uint64_t> numbers;
    for (const auto& span : named(spans, name)) numbers.insert(span.number);
    EXPECT_EQ(numbers.size(), batches * batch_size) << name;
    EXPECT_EQ(named(spans, name).size(), batches * batch_size) << name;
  }
  for (const char* name : {"backbone", "write"}) {
    const auto of_name = named(spans, name);
    ASSERT_EQ(of_name.size(), batches) << name;
    for (std::size_t i = 0; i < batches; ++i) EXPECT_EQ(of_name[i].number, i) << name;
  }
  EXPECT_FALSE(named(spans, "wait for a buffer").empty());
  EXPECT_FALSE(named(spans, "wait for photos").empty());
}

// Each batch comes into a queue and out of it again.
TEST_F(PipelineTrace, TheLengthsOfTheQueuesAreCounted) {
  run();
  EXPECT_EQ(test::fault_of_trace(trace_.json()), "");
  std::map<std::string, std::vector<std::int64_t>> values;
  for (const auto& count : test::traced_counts(trace_.json())) {
    values[count.name].push_back(count.value);
  }
  EXPECT_EQ(values.size(), 2U);
  for (const char* name : {"batches for the backbone", "batches for the writer"}) {
    ASSERT_EQ(values[name].size(), 2 * batches) << name;
    EXPECT_EQ(values[name].back(), 0) << name;
    EXPECT_LE(*std::ranges::max_element(values[name]), 3) << name;
  }
}

TEST_F(PipelineTrace, EachThreadHasItsRow) {
  std::set<std::string> threads;
  for (const auto& span : run()) {
    threads.insert(span.thread);
    const std::string kind = span.thread.substr(0, span.thread.find(' '));
    const std::map<std::string, std::string> expected = {
        {"photo", "decoder"}, {"backbone", "main"}, {"write", "writer"}};
    const auto found = expected.find(span.name);
    if (found != expected.end()) {
      EXPECT_EQ(kind, found->second) << span.name;
    }
  }
  EXPECT_THAT(threads, IsSupersetOf({"main", "writer 1"}));
}

// The backbone and the writer go first where cores are few.
TEST_F(PipelineTrace, DecodersStepBackAndNobodyElseDoes) {
  const int before = nice_value();
  if (before >= 19) GTEST_SKIP() << "this program has the largest nice value already";
  std::mutex mutex;
  std::set<int> decoders, writers, backbones;
  const auto note = [&](std::set<int>& values) {
    const std::lock_guard lock(mutex);
    values.insert(nice_value());
  };
  request_.path = [&](std::size_t i) {
    note(decoders);
    return image(i);
  };
  backbone_.before_submit = [&](std::size_t) { note(backbones); };
  request_.sink = [&](const FeatureBatch&) { note(writers); };
  run();
  EXPECT_EQ(decoders, std::set{std::min(before + 10, 19)});
  EXPECT_EQ(writers, std::set{before});
  EXPECT_EQ(backbones, std::set{before});
}

TEST_F(PipelineTrace, ABadImageEndsItsSpansToo) {
  test::write_bytes(image(4), test::png_with_damaged_pixels(4));
  request_.sink_thread = SinkThread::calling;
  const auto spans = run();
  EXPECT_EQ(test::crossing_spans(spans), "");
  EXPECT_EQ(named(spans, "decode").size(), batches * batch_size);
  EXPECT_EQ(named(spans, "resize").size(), batches * batch_size - 1);
  for (const auto& span : named(spans, "write")) EXPECT_EQ(span.thread, "main");
}

TEST_F(PipelineTrace, WithoutATracerTheFeaturesAreTheSame) {
  std::vector<float> traced, plain;
  for (auto* features : {&traced, &plain}) {
    request_.sink = [&](const FeatureBatch& batch) {
      features->insert(features->end(), batch.features.data,
                       batch.features.data + batch.features.rows * batch.features.columns);
    };
    run(features == &traced);
  }
  EXPECT_EQ(traced, plain);
  EXPECT_EQ(named(test::traced_spans(trace_.json()), "backbone").size(), batches);
}

}  // namespace
}  // namespace graft
