// The start of a job: what runs at once, and what a user sees of it.

#include "engine/job/start.h"

#include <gmock/gmock.h>

#include <chrono>
#include <functional>
#include <future>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>

#include "engine/base/error.h"
#include "tests/support/recording_observer.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Something that one thread says and another waits for. Throws after a minute, so that a test that
// would hang fails.
class Signal {
 public:
  void give() { promise_.set_value(); }
  void wait() {
    if (future_.wait_for(std::chrono::minutes(1)) != std::future_status::ready)
      throw std::runtime_error("waited in vain");
  }

 private:
  std::promise<void> promise_;
  std::future<void> future_ = promise_.get_future();
};

class Start : public ::testing::Test {
 protected:
  void run(const std::function<void()>& make, const Reading& read) {
    const auto make_and_tell = [&] {
      make();
      observer.note("the device");
    };
    make_while_reading(make_and_tell, read, observer, stop.get_token());
  }
  Reading reading_until_stopped() {
    return [&](Observer& to, const std::stop_token& token) {
      to.note("classes");
      for (int i = 0; i < 60'000 && !token.stop_requested(); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        to.note("an image");
      }
      if (!token.stop_requested()) throw std::runtime_error("never stopped");
      throw Error(ErrorKind::interrupted, "interrupted");
    };
  }
  std::string failure(const std::function<void()>& make, const Reading& read) {
    return test::error_of([&] { run(make, read); });
  }

  test::RecordingObserver observer;
  std::stop_source stop;
};

TEST_F(Start, TheDeviceIsMadeWhileTheFoldersAreRead) {
  Signal is_making, is_reading;
  const auto make = [&] {
    is_making.give();
    is_reading.wait();
  };
  const auto read = [&](Observer&, const std::stop_token&) {
    is_reading.give();
    is_making.wait();
  };
  EXPECT_NO_THROW(run(make, read));
  EXPECT_THAT(observer.notes, ElementsAre("the device"));
}

TEST_F(Start, MessagesAreInTheOrderOfOneAfterTheOther) {
  Signal was_told;
  const auto read = [&](Observer& to, const std::stop_token&) {
    to.note("classes");
    {
      const Stage stage(to, "check", 2, "images");
      to.advance(1);
      to.advance(2);
    }
    to.warn("a shared image");
    EXPECT_THAT(observer.notes, IsEmpty()) << "the device comes first";
    was_told.give();
  };
  run([&] { was_told.wait(); }, read);
  EXPECT_THAT(observer.notes, ElementsAre("the device", "classes"));
  EXPECT_THAT(observer.stages, ElementsAre("check"));
  EXPECT_THAT(observer.advances, ElementsAre(1U, 2U));
  EXPECT_THAT(observer.warnings, ElementsAre("a shared image"));
  EXPECT_FALSE(observer.misused);
}

TEST_F(Start, WithTheDeviceMadeMessagesAreNotHeldBack) {
  Signal was_shown;
  observer.on_advance = [&](std::size_t) { was_shown.give(); };
  const auto read = [&](Observer& to, const std::stop_token&) {
    const Stage stage(to, "check", 1, "images");
    to.advance(1);
    was_shown.wait();
  };
  EXPECT_NO_THROW(run([] {}, read));
  EXPECT_THAT(observer.notes, ElementsAre("the device"));
  EXPECT_FALSE(observer.misused);
}

TEST_F(Start, MessagesAreShownOnTheCallingThread) {
  std::thread::id shown_on;
  observer.on_advance = [&](std::size_t) { shown_on = std::this_thread::get_id(); };
  run([] {},
      [](Observer& to, const std::stop_token&) {
        const Stage stage(to, "check", 1, "images");
        to.advance(1);
      });
  EXPECT_EQ(shown_on, std::this_thread::get_id());
}

TEST_F(Start, AnErrorOfTheDeviceStopsTheReadingAndComesFirst) {
  EXPECT_EQ(failure([] { throw Error(ErrorKind::device, "no GPU"); }, reading_until_stopped()),
            "no GPU");
  EXPECT_THAT(observer.notes, IsEmpty());
  EXPECT_FALSE(stop.stop_requested()) << "the job's own";
}

TEST_F(Start, AnErrorOfTheReadingComesAfterTheDevice) {
  Signal has_failed;
  const auto read = [&](Observer& to, const std::stop_token&) {
    to.note("classes");
    has_failed.give();
    throw Error(ErrorKind::data, "no images");
  };
  EXPECT_EQ(failure([&] { has_failed.wait(); }, read), "no images");
  EXPECT_THAT(observer.notes, ElementsAre("the device", "classes"));
}

TEST_F(Start, AnErrorOfTheDeviceComesBeforeAnEarlierOneOfTheReading) {
  Signal has_failed;
  const auto make = [&] {
    has_failed.wait();
    throw Error(ErrorKind::device, "no GPU");
  };
  const auto read = [&](Observer&, const std::stop_token&) {
    has_failed.give();
    throw Error(ErrorKind::data, "no images");
  };
  EXPECT_EQ(failure(make, read), "no GPU");
  EXPECT_THAT(observer.notes, IsEmpty());
}

TEST_F(Start, AStopRequestReachesTheReading) {
  const auto read = [&](Observer&, const std::stop_token& token) {
    EXPECT_FALSE(token.stop_requested());
    stop.request_stop();
    EXPECT_TRUE(token.stop_requested());
    throw Error(ErrorKind::interrupted, "interrupted");
  };
  EXPECT_EQ(failure([] {}, read), "interrupted");
  EXPECT_THAT(observer.notes, ElementsAre("the device"));
}

}  // namespace
}  // namespace graft
