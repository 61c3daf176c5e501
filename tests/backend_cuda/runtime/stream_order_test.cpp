// Overlapping batches: the same bytes in every legal order of the streams, and a wrong result in some
// order when any one wait is skipped.

#include "engine/backend/cuda/runtime/stream_order.h"

#include <functional>

#include "kernels/cuda/bias_relu.h"
#include "kernels/cuda/cast_features.h"
#include "tests/backend_cuda/backbone/cuda_backbone_test.h"
#include "tests/backend_cuda/faults.h"

namespace graft {
namespace {

using test::Batch;
using test::same_bytes;
using test::small_images;
using test::some_weights;

// How many of the orders 0 … seeds-1 give the right result, without a finding of the virtual GPU.
std::uint64_t right_orders(std::uint64_t seeds, const std::string& skipped,
                           const std::function<bool()>& is_right) {
  std::uint64_t right = 0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    GRAFT_VIRTUAL_GPU(vgpu_set_seed)(seed);
    test::set_faults(skipped);
    const bool same = is_right();
    test::set_faults("");
    right += same && GRAFT_VIRTUAL_GPU(vgpu_error_count)() == 0 ? 1 : 0;
    GRAFT_VIRTUAL_GPU(vgpu_clear_errors)();
  }
  GRAFT_VIRTUAL_GPU(vgpu_set_seed)(0);
  return right;
}

// ---- The order itself, around work that takes no time ----

class CudaStreamOrder : public test::CudaTest {
 protected:
  static constexpr std::size_t batches_ = 6;
  static constexpr std::size_t slots_ = 2;
  static constexpr std::size_t count_ = 8;
  static constexpr std::uint64_t seeds_ = 100;
  static constexpr std::size_t waits_ = 4;  // of each batch, in the order of StreamOrder::enqueue

  // Whether each batch comes back as images + 1, when all are in flight before the first is waited
  // for.
  static bool run() {
    const std::vector<float> old(slots_ * count_, -2.0F);
    const test::DeviceArray<float> images(old), activations(old), features(old);
    const test::DeviceArray<float> bias(std::vector<float>(count_, 1.0F));
    const cuda::PinnedBuffer from(batches_ * count_ * sizeof(float));
    const cuda::PinnedBuffer to(batches_ * count_ * sizeof(float));
    for (std::size_t i = 0; i < batches_ * count_; ++i) {
      from.as<float>()[i] = static_cast<float>(i);
      to.as<float>()[i] = -1.0F;
    }
    std::vector<cuda::Event> done(batches_);
    bool right = true;
    cuda::StreamOrder order(slots_);
    for (std::size_t n = 0; n < batches_; ++n) {
      float* image = images.get() + n % slots_ * count_;
      float* feature = features.get() + n % slots_ * count_;
      const auto copy = [](float* target, const float* source, const cuda::Stream& stream) {
        GRAFT_CUDA_CHECK(cudaMemcpyAsync(target, source, count_ * sizeof(float), cudaMemcpyDefault,
                                         stream.get()));
      };
      order.enqueue(
          n % slots_,
          [&](const cuda::Stream& stream) { copy(image, from.as<float>() + n * count_, stream); },
          [&](const cuda::Stream& stream) {
            cuda::cast_features(activations.get(), image, count_, stream.get());
            cuda::bias_relu(activations.get(), bias.get(), 1, count_, stream.get());
            cuda::cast_features(feature, activations.get(), count_, stream.get());
          },
          [&](const cuda::Stream& stream) { copy(to.as<float>() + n * count_, feature, stream); },
          done[n]);
    }
    for (std::size_t n = 0; n < batches_; ++n) {
      done[n].wait();
      for (std::size_t i = n * count_; i < (n + 1) * count_; ++i) {
        right = right && to.as<float>()[i] == static_cast<float>(i) + 1.0F;
      }
    }
    return right;
  }
};

TEST_F(CudaStreamOrder, IsRightInEveryLegalOrder) {
  if (!test::on_virtual_gpu()) {
    EXPECT_TRUE(run());
    return;
  }
  EXPECT_EQ(right_orders(seeds_, "", run), seeds_);
}

TEST_F(CudaStreamOrder, EachWaitIsNeeded) {
  if (!test::on_virtual_gpu()) GTEST_SKIP() << "only the virtual GPU skips calls";
  for (std::size_t wait = 1; wait <= waits_; ++wait) {
    std::string skipped;
    for (std::size_t batch = 0; batch < batches_; ++batch) {
      skipped +=
          fmt::format("{}cudaStreamWaitEvent:{}:0", batch == 0 ? "" : ",", batch * waits_ + wait);
    }
    EXPECT_LT(right_orders(seeds_, skipped, run), seeds_) << "wait " << wait;
  }
  std::string skipped;
  for (std::size_t batch = 1; batch <= batches_; ++batch) {
    skipped += fmt::format("{}cudaEventSynchronize:{}:0", batch == 1 ? "" : ",", batch);
  }
  EXPECT_LT(right_orders(seeds_, skipped, run), seeds_) << "the host's wait";
}

// ---- The backbone in it ----

class CudaBackboneOrder : public test::CudaBackboneTest {
 protected:
  static constexpr std::uint32_t batches_ = 4;

  void SetUp() override {
    test::CudaBackboneTest::SetUp();
    if (!IsSkipped()) backbone_ = backend_->make_backbone(some_weights(), options_);
  }
  void TearDown() override {
    backbone_.reset();
    test::CudaBackboneTest::TearDown();
  }

  std::vector<std::vector<float>> all_at_once() {
    return test::features_in_flight(*backend_, *backbone_, options_, batches_);
  }
  std::vector<std::vector<float>> one_by_one() {
    std::vector<std::vector<float>> rows;
    for (std::uint32_t i = 0; i < batches_; ++i) {
      const Batch batch(*backend_, options_, 1, i);
      test::compute(*backbone_, batch);
      rows.push_back(batch.rows());
    }
    return rows;
  }

  const BackboneOptions options_ = small_images(1);
  std::unique_ptr<Backbone> backbone_;
};

TEST_F(CudaBackboneOrder, ManyBatchesInFlightGiveTheBytesOfOneAtATime) {
  const auto expected = one_by_one();
  const auto is_right = [&] {
    return std::ranges::equal(all_at_once(), expected, [](const auto& a, const auto& b) -> bool {
      return same_bytes(a, b);
    });
  };
  if (test::on_virtual_gpu()) {
    constexpr std::uint64_t seeds = 4;
    EXPECT_EQ(right_orders(seeds, "", is_right), seeds);
  } else {
    for (int round = 0; round < 20; ++round) ASSERT_TRUE(is_right()) << "round " << round;
  }
}

TEST_F(CudaBackboneOrder, ABackboneMayEndWithWorkInFlight) {
  const Batch batch(*backend_, options_, 1, 1);
  test::submit(*backbone_, batch);
  backbone_.reset();
  const auto features = batch.rows();  // the copy has come to its end
  EXPECT_NE(features, std::vector<float>(features.size(), -1.0F));
}

}  // namespace
}  // namespace graft
