// The stages of the pipeline: order, bounds, failures.

#include "engine/features/pipeline.h"

#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <thread>

#include "engine/base/error.h"
#include "engine/image/image.h"
#include "tests/features/small_backend.h"
#include "tests/support/recording_observer.h"
#include "tests/support/support.h"

namespace graft {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::small_features;
using test::SmallBackbone;
using test::SmallBackend;
using test::TemporaryFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PipelineTest : public ::testing::Test {
 protected:
  void make_images(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) test::write_png(image(i), static_cast<unsigned>(i));
    count_ = count;
  }
  fs::path image(std::size_t i) const { return folder_ / test::numbered("", i, ".png"); }

  void run(SinkThread thread = SinkThread::own) {
    PipelineRequest request;
    request.options = {{}, batch_size_, threads_, depth_};
    request.options.data.image_size = image_size_;
    request.options.data.resize = Resize::nearest;
    request.options.data.fast_decode = fast_decode_;
    request.options.data.decode_memory_mib = decode_memory_mib_;
    request.images = count_;
    request.path = [this](std::size_t i) {
      if (i == unnamed_) throw std::length_error("no name for an image");
      return image(i);
    };
    if (check_content_)
      request.content = [](std::size_t i) {
        return digest_of(test::png_bytes(static_cast<unsigned>(i)));
      };
    request.stop_at_bad_image = stop_at_bad_;
    request.sink = [this](const FeatureBatch& batch) { receive(batch); };
    request.sink_thread = thread;
    request.progress = [this](std::size_t done) { progress_.push_back(done); };
    SmallBackbone backbone(backend_.in_flight > 1);
    backbone.before_submit = before_submit_;
    backbone.before_compute = before_compute_;
    try {
      run_pipeline(request, {backend_, observer_, nullptr, stop_.get_token()}, backbone);
    } catch (...) {
      batch_sizes_ = backbone.batch_sizes;
      throw;
    }
    batch_sizes_ = backbone.batch_sizes;
    most_in_flight_ = backbone.most_in_flight;
  }

  void receive(const FeatureBatch& batch) {
    if (before_sink_) before_sink_();
    sink_thread_ = std::this_thread::get_id();
    for (std::size_t i = 0; i < batch.bad_reasons.size(); ++i) {
      (batch.bad_reasons[i].empty() ? images_ : bad_).push_back(batch.first + i);
    }
    for (std::size_t row = 0; row < batch.features.rows; ++row) {
      const float* values = batch.features.row(row);
      rows_.emplace_back(values, values + batch.features.columns);
    }
    EXPECT_EQ(rows_.size(), images_.size());
  }

  void clear() {
    images_.clear();
    rows_.clear();
  }

  std::vector<float> expected_row(std::size_t i) const {
    const Image decoded = decode_image(test::png_bytes(static_cast<unsigned>(i)), {});
    std::vector<std::uint8_t> rgb(std::size_t{32} * 64 * 3);
    resize_image(decoded, Resize::nearest, test::small_image_size, rgb);
    return small_features(rgb);
  }

  TemporaryFolder folder_;
  SmallBackend backend_;
  test::RecordingObserver observer_;
  std::stop_source stop_;
  std::size_t count_ = 0, batch_size_ = 4, threads_ = 2;
  std::size_t depth_ = 0, decode_memory_mib_ = 2048;
  bool check_content_ = false, stop_at_bad_ = false, fast_decode_ = false;
  ImageSize image_size_ = test::small_image_size;
  std::optional<std::size_t> unnamed_;  // the image whose path throws
  std::function<void(std::size_t)> before_submit_, before_compute_;
  std::function<void()> before_sink_;
  // What came out:
  std::vector<std::size_t> images_, bad_, progress_, batch_sizes_;
  std::vector<std::vector<float>> rows_;
  std::size_t most_in_flight_ = 0;
  std::thread::id sink_thread_;
};

TEST_F(PipelineTest, AWarningOfTheDecoderNamesItsFirstFileAndCountsTheOthers) {
  make_images(9);
  run();
  EXPECT_THAT(observer_.warnings, ElementsAre());
  for (const std::size_t i : {2U, 5U, 7U}) fs::resize_file(image(i), fs::file_size(image(i)) - 12);
  clear();
  run();
  EXPECT_EQ(images_.size(), 9U);
  EXPECT_THAT(observer_.warnings,
              ElementsAre(HasSubstr(image(2).filename().string() +
                                    " and 2 more: the PNG has all its pixels")));
}

TEST_F(PipelineTest, EveryImageComesOutInOrderWithItsFeatures) {
  make_images(10);
  for (const std::size_t threads : {1, 2, 4}) {
    for (const std::size_t in_flight : {1, 2, 3}) {
      clear();
      threads_ = threads;
      backend_.in_flight = in_flight;
      run();
      ASSERT_THAT(images_, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
      for (std::size_t i = 0; i < 10; ++i) ASSERT_EQ(rows_[i], expected_row(i)) << i;
      EXPECT_THAT(batch_sizes_, ElementsAre(4, 4, 2));  // the short last batch is kept
      EXPECT_EQ(most_in_flight_, in_flight);
    }
  }
}

TEST_F(PipelineTest, TheDepthIsWhatWasAskedForAndNoMoreThanThereAreBatches) {
  make_images(10);
  backend_.in_flight = 2;  // what the device wants, and a device that works later
  for (const auto& [depth, in_flight] : {std::pair{0U, 2U}, {1U, 1U}, {3U, 3U}, {16U, 3U}}) {
    depth_ = depth;
    clear();
    backend_.buffers = 0;
    run();
    EXPECT_EQ(most_in_flight_, in_flight) << depth;
    EXPECT_EQ(backend_.buffers, 2 * pipeline_slots(in_flight)) << depth;
    EXPECT_THAT(images_, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)) << depth;
  }
}

TEST_F(PipelineTest, FastDecodeShrinksLargeJpegs) {
  make_images(1);
  const auto file = test::jpeg_file(test::noise_image(300, 200));
  test::write_bytes(image(0), {reinterpret_cast<const char*>(file.data()), file.size()});
  for (const bool fast : {false, true}) {
    fast_decode_ = fast;
    clear();
    run();
    DecodeOptions options;
    if (fast) options.shrink_towards = test::small_image_size;
    const Image decoded = decode_image(file, options);
    EXPECT_EQ(decoded.width, fast ? 75U : 300U);
    std::vector<std::uint8_t> rgb(std::size_t{32} * 64 * 3);
    resize_image(decoded, Resize::nearest, test::small_image_size, rgb);
    EXPECT_EQ(rows_.at(0), small_features(rgb));
  }
}

TEST_F(PipelineTest, NoImagesAreNoWork) {
  run();
  EXPECT_TRUE(images_.empty());
  EXPECT_EQ(backend_.buffers, 0U);
}

TEST_F(PipelineTest, ABatchIsNoLargerThanTheImages) {
  make_images(2);
  batch_size_ = 1000;
  run();
  EXPECT_THAT(images_, ElementsAre(0, 1));
  EXPECT_LE(backend_.bytes, pipeline_slots(1) * 2 * (32 * 64 * 3 + 1024 * sizeof(float)));
}

TEST_F(PipelineTest, MemoryDoesNotGrowWithTheNumberOfImages) {
  make_images(40);
  run();
  EXPECT_EQ(backend_.buffers, 2 * pipeline_slots(1));
  EXPECT_EQ(backend_.bytes, pipeline_slots(1) * 4 * (32 * 64 * 3 + 1024 * sizeof(float)));
}

// Decoders have no slot to run ahead into: files beyond the slots can be damaged while the backbone
// waits, and the decoders find the damage.
TEST_F(PipelineTest, ASlowBackboneHoldsTheDecodersBack) {
  make_images(40);
  const std::size_t beyond = pipeline_slots(1) * batch_size_;
  before_submit_ = [&](std::size_t batch) {
    if (batch > 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // time to run ahead in
    for (std::size_t i = beyond; i < 40; ++i) test::write_bytes(image(i), "damaged");
  };
  run();
  EXPECT_EQ(images_.size(), beyond);
  EXPECT_EQ(bad_.size(), 40 - beyond);
}

TEST_F(PipelineTest, ASlowSinkHoldsTheBackboneBack) {
  make_images(40);
  std::atomic<std::size_t> submitted = 0;
  std::atomic<std::size_t> sunk = 0;
  std::size_t most_ahead = 0;
  before_submit_ = [&](std::size_t) { most_ahead = std::max(most_ahead, ++submitted - sunk); };
  before_sink_ = [&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    ++sunk;
  };
  run();
  EXPECT_LE(most_ahead, pipeline_slots(1));
}

TEST_F(PipelineTest, BadImagesHaveNoRowAndLeaveNoGap) {
  make_images(9);
  for (const std::size_t i : {0, 3, 4, 5, 6, 7}) test::write_bytes(image(i), "no image");
  run();  // batch 1 (4 … 7) has no good image at all
  EXPECT_THAT(images_, ElementsAre(1, 2, 8));
  EXPECT_THAT(bad_, ElementsAre(0, 3, 4, 5, 6, 7));
  ASSERT_EQ(rows_.size(), 3U);
  EXPECT_EQ(rows_[0], expected_row(1));
  EXPECT_EQ(rows_[2], expected_row(8));
  EXPECT_THAT(batch_sizes_, ElementsAre(2, 1));
  EXPECT_THAT(progress_, ElementsAre(4, 8, 9));
}

TEST_F(PipelineTest, ABadImageThatStopsTheRunIsNamedAndAllBeforeItComeOut) {
  make_images(12);
  stop_at_bad_ = true;
  test::write_bytes(image(6), test::png_with_damaged_pixels(6));
  test::write_bytes(image(7), "no image");
  for (const std::size_t threads : {1, 4}) {
    clear();
    threads_ = threads;
    try {
      run();
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data);
      EXPECT_THAT(error.what(), HasSubstr(image(6).string()));
      EXPECT_THAT(error.what(), HasSubstr("\"skip\""));
    }
    EXPECT_THAT(images_, ElementsAre(0, 1, 2, 3, 4, 5));
  }
}

TEST_F(PipelineTest, AFileThatChangedOrVanishedSinceItWasReadEndsTheRun) {
  make_images(8);
  check_content_ = true;
  test::write_png(image(5), 77);
  EXPECT_THAT(error_of([&] { run(); }), HasSubstr("5.png changed while"));
  EXPECT_THAT(images_, ElementsAre(0, 1, 2, 3, 4));
  fs::remove(image(2));
  clear();
  EXPECT_THAT(error_of([&] { run(); }), HasSubstr("2.png"));
  EXPECT_THAT(images_, ElementsAre(0, 1));
}

TEST_F(PipelineTest, AnUnreadableFileIsNoBadImageButEndsTheRunAlsoWithoutADigest) {
  make_images(3);
  fs::remove(image(1));
  try {
    run();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
    EXPECT_THAT(error.what(), HasSubstr("1.png: there is no such file"));
  }
  EXPECT_THAT(images_, ElementsAre(0));
  EXPECT_TRUE(bad_.empty());
}

// Two threads each need more than half of the budget: they take turns, and the result is the same.
TEST_F(PipelineTest, ImagesThatDoNotFitIntoTheBudgetTogetherAreDecodedOneByOne) {
  make_images(6);
  const Image large = test::noise_image(1400, 1200);  // 10 MB, and 16 MiB is the budget
  for (const std::size_t i : {1, 2, 3}) test::write_bytes(image(i), test::jpeg_file(large));
  decode_memory_mib_ = 16;
  threads_ = 4;
  run();
  const std::vector<std::vector<float>> together = rows_;
  clear();
  decode_memory_mib_ = 2048;
  threads_ = 1;
  run();
  EXPECT_EQ(rows_, together);
  EXPECT_THAT(images_, ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_TRUE(bad_.empty());
}

TEST_F(PipelineTest, AnImageAboveTheBudgetIsABadImageThatNamesTheKey) {
  make_images(2);
  test::write_bytes(
      image(1), test::pnm_file('6', 3000, 2000, 255, std::vector<std::uint8_t>(3000 * 2000 * 3)));
  decode_memory_mib_ = 16;
  stop_at_bad_ = true;
  EXPECT_THAT(error_of([&] { run(); }),
              HasSubstr("pipeline.decode_memory_mib allows 16; raise that"));
  EXPECT_THAT(images_, ElementsAre(0));
}

TEST_F(PipelineTest, AFailureOfADecoderEndsTheRunAtItsImage) {
  make_images(12);
  for (const std::size_t threads : {1, 4}) {
    for (const std::size_t image : {0, 6, 11}) {
      clear();
      threads_ = threads;
      unnamed_ = image;
      EXPECT_EQ(error_of([&] { run(); }), "no name for an image");
      EXPECT_EQ(images_.size(), image);
    }
  }
}

TEST_F(PipelineTest, SlotsThatTheMachineCannotHoldAreRefusedBeforeTheyAreTaken) {
  make_images(2);
  image_size_ = {4'000'000'000, 4'000'000'000};
  try {
    run();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_THAT(error.what(), HasSubstr("in 3 batches of 2 at a time needs"));
    EXPECT_THAT(error.what(), HasSubstr("backbone.batch_size"));
  }
  EXPECT_EQ(backend_.buffers, 0U);
}

TEST_F(PipelineTest, AFailureOfTheBackboneStopsAllAndKeepsWhatWasDone) {
  make_images(40);
  for (const std::size_t in_flight : {1, 2}) {
    clear();
    backend_.in_flight = in_flight;
    before_submit_ = [](std::size_t batch) {
      if (batch == 3) throw Error(ErrorKind::device, "the device is gone");
    };
    EXPECT_EQ(error_of([&] { run(); }), "the device is gone");
    // What was in flight on the device is not waited for; what it had finished is kept, in order.
    ASSERT_EQ(images_.size(), (3 - (in_flight - 1)) * batch_size_);
    for (std::size_t i = 0; i < images_.size(); ++i) EXPECT_EQ(images_[i], i);
  }
}

TEST_F(PipelineTest, AFailureWhileTheDeviceWorksIsTheCauseAndKeepsWhatWasDoneBefore) {
  make_images(40);
  for (const std::size_t in_flight : {2, 3}) {
    for (const std::size_t failing : {0, 3, 9}) {
      clear();
      backend_.in_flight = in_flight;
      std::size_t failures = 0;  // what is lost stays lost: each later call fails, too
      before_compute_ = [&](std::size_t batch) {
        if (batch == failing)
          throw Error(ErrorKind::device, ++failures == 1 ? "the GPU is lost" : "it is still lost");
      };
      try {
        run();
        FAIL() << "no error";
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::device);
        EXPECT_STREQ(error.what(), "the GPU is lost");
      }
      ASSERT_EQ(images_.size(), failing * batch_size_);
      for (std::size_t i = 0; i < images_.size(); ++i) ASSERT_EQ(rows_[i], expected_row(i)) << i;
    }
  }
}

TEST_F(PipelineTest, AFailureOfTheSinkStopsAllAndIsTheCause) {
  make_images(40);
  for (const SinkThread thread : {SinkThread::own, SinkThread::calling}) {
    std::size_t sunk = 0;
    before_sink_ = [&] {
      if (sunk++ == 2) throw Error(ErrorKind::io, "the disk is full");
    };
    clear();
    EXPECT_EQ(error_of([&] { run(thread); }), "the disk is full");
    EXPECT_EQ(images_.size(), 2 * batch_size_);
    EXPECT_LE(batch_sizes_.size(), 2 + pipeline_slots(1) + 1);  // and soon
  }
}

TEST_F(PipelineTest, TheSinkRunsOnTheThreadThatWasAskedFor) {
  make_images(3);
  run(SinkThread::calling);
  EXPECT_EQ(sink_thread_, std::this_thread::get_id());
  run(SinkThread::own);
  EXPECT_NE(sink_thread_, std::this_thread::get_id());
}

TEST_F(PipelineTest, AStopFinishesTheBatchInFlight) {
  make_images(40);
  before_submit_ = [&](std::size_t batch) {
    if (batch == 2) stop_.request_stop();
  };
  try {
    run();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::interrupted);
  }
  EXPECT_EQ(images_.size(), 3 * batch_size_);
  EXPECT_THAT(progress_, ElementsAre(4, 8, 12));
}

}  // namespace
}  // namespace graft
