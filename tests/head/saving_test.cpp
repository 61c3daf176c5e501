// Epochs are saved by a thread of its own while the next one trains.

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/trace.h"
#include "tests/support/support.h"
#include "training_support.h"

namespace graft::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;
using ::testing::SizeIs;

constexpr auto patience = std::chrono::seconds(30);

// Holds back the saving of the first epoch until it is let go.
class HoldingTracer final : public Tracer {
 public:
  void let_go() { gate_.set_value(); }
  bool ends() const { return saved_.wait_for(patience) == std::future_status::ready; }
  bool has_ended() const { return saved_.wait_for(patience * 0) == std::future_status::ready; }
  bool was_held() const { return was_let_go_ && saver_ != std::this_thread::get_id(); }

  void name_thread(const std::string& name) override { EXPECT_EQ(name, "saver"); }
  void begin(const char* name, std::uint64_t number) noexcept override {
    if (std::string_view(name) != "save" || number != 1) return;
    saver_ = std::this_thread::get_id();
    was_let_go_ = gate_.get_future().wait_for(patience) == std::future_status::ready;
  }
  void end() noexcept override {
    if (std::this_thread::get_id() == saver_ && !has_ended()) end_.set_value();
  }

 private:
  std::promise<void> gate_, end_;
  std::shared_future<void> saved_ = end_.get_future().share();
  std::atomic<std::thread::id> saver_;
  std::atomic<bool> was_let_go_ = false;
};

History saved_history(const std::filesystem::path& folder) {
  return parse_history_json(read_text_file(folder / "history.json", 1U << 16U));
}

// A folder there keeps the checkpoint from being written.
std::filesystem::path obstacle(const std::filesystem::path& folder) {
  return folder / "checkpoint.safetensors.partial";
}

TEST(Saving, GoesOnWhileTheNextEpochTrainsWhichShowsTheLineOnceItIsDone) {
  const TemporaryFolder folder;
  HoldingTracer tracer;
  SmallRun run;
  run.tracer = &tracer;
  run.observer.on_advance = [&](std::size_t done) {
    if (done == small_batches + 2) {
      EXPECT_THAT(run.observer.rows, SizeIs(1)) << "the header alone";
      EXPECT_THAT(files_in(folder.path()), Not(Contains(Key("checkpoint.safetensors"))));
      tracer.let_go();
      EXPECT_TRUE(tracer.ends());
    }
    if (done == small_batches + 3) {
      EXPECT_THAT(run.observer.rows, SizeIs(2));
    }
  };
  run.into(folder.path());
  EXPECT_TRUE(tracer.was_held());
  EXPECT_THAT(run.observer.rows,
              ElementsAre(HasSubstr("epoch "), HasSubstr("    1 "), HasSubstr("    2 "),
                          HasSubstr("    3 "), HasSubstr("    4 ")));
  EXPECT_EQ(files_in(folder.path()), files_of_a_full_run());
}

TEST(Saving, EndsBeforeTheNextStateIsTaken) {
  const TemporaryFolder folder;
  HoldingTracer tracer;
  std::jthread late;
  std::size_t totals = 0, states = 0;
  SmallRun run;
  run.tracer = &tracer;
  run.before = [&](std::string_view call) {
    if (call == "take_totals" && ++totals == 2) {
      late = std::jthread([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        tracer.let_go();
      });
    }
    if (call == "state" && ++states == 2) {
      EXPECT_TRUE(tracer.has_ended());
    }
  };
  run.into(folder.path());
  EXPECT_EQ(states, 4U);
  EXPECT_TRUE(tracer.was_held());
}

TEST(Saving, AWriteThatFailsEndsTheRunAfterTheNextEpochsBatches) {
  // The epoch whose save fails, and how many are trained until the run ends.
  for (const auto& [failing, trained] : {std::pair{2U, 3U}, {4U, 4U}}) {
    SCOPED_TRACE(failing);
    const TemporaryFolder folder;
    std::size_t evaluated = 0;
    SmallRun run;
    run.before = [&](std::string_view call) {
      if (call == "evaluate" && ++evaluated == failing) make_folder(obstacle(folder.path()));
    };
    EXPECT_THAT(error_of(ErrorKind::io, [&] { run.into(folder.path()); }),
                HasSubstr("cannot open for writing " + obstacle(folder.path()).string()));
    EXPECT_EQ(run.observer.advances.size(), trained * small_batches);
    EXPECT_THAT(run.observer.rows, SizeIs(failing)) << "the header, and the epochs before";
    EXPECT_THAT(saved_history(folder.path()), SizeIs(failing - 1));
    EXPECT_FALSE(std::filesystem::exists(folder / "head.safetensors"));
    std::filesystem::remove(obstacle(folder.path()));
    SmallRun again;
    again.into(folder.path());
    EXPECT_THAT(again.observer.advances, SizeIs((5 - failing) * small_batches));
    EXPECT_EQ(files_in(folder.path()), files_of_a_full_run());
  }
}

TEST(Saving, IsWaitedForByAnInterruption) {
  const TemporaryFolder folder;
  HoldingTracer tracer;
  SmallRun run;
  run.tracer = &tracer;
  run.observer.on_advance = [&](std::size_t done) {
    if (done != small_batches + 2) return;
    run.stop.request_stop();
    tracer.let_go();
  };
  EXPECT_THAT(error_of(ErrorKind::interrupted, [&] { run.into(folder.path()); }),
              HasSubstr("1 of its epochs is saved"));
  EXPECT_TRUE(tracer.was_held());
  EXPECT_THAT(run.observer.rows, SizeIs(2));
  EXPECT_THAT(saved_history(folder.path()), SizeIs(1));
}

TEST(Saving, IsCompleteWhenTheHeadFailsMeanwhile) {
  const TemporaryFolder folder;
  HoldingTracer tracer;
  std::size_t steps = 0;
  SmallRun run;
  run.tracer = &tracer;
  run.before = [&](std::string_view call) {
    if (call != "train_step" || ++steps != small_batches + 2) return;
    tracer.let_go();
    throw Error(ErrorKind::device, "the device is lost");
  };
  EXPECT_EQ(error_of(ErrorKind::device, [&] { run.into(folder.path()); }), "the device is lost");
  EXPECT_TRUE(tracer.was_held());
  EXPECT_THAT(saved_history(folder.path()), SizeIs(1));
}

}  // namespace
}  // namespace graft::test
