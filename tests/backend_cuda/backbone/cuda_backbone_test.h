#pragma once
// Fixture of the CUDA backbone, on the virtual GPU or a real one.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "engine/backend/cpu/cpu_backend.h"
#include "engine/backend/cuda/cuda_backend.h"
#include "tests/kernels_cuda/cuda_test.h"
#include "tests/support/support.h"

namespace graft::test {

// Filters that keep the size of activations from layer to layer (He 2015), so that an error in any
// layer shows.
inline Vgg16Weights random_weights(std::uint32_t seed) {
  Vgg16Weights weights;
  for (std::size_t i = 0; i < vgg16_convolutions; ++i) {
    const Vgg16Layer& layer = vgg16_layers[i];
    const auto inputs = static_cast<float>(9 * layer.input_channels);
    const auto layer_seed = seed + static_cast<std::uint32_t>(2 * i);
    weights.layers[i].kernel = random_numbers(9 * layer.input_channels * layer.output_channels,
                                              layer_seed, std::sqrt(6.0F / inputs));
    weights.layers[i].bias = random_numbers(layer.output_channels, layer_seed + 1, 0.1F);
  }
  return weights;
}
inline const Vgg16Weights& some_weights() {
  static const Vgg16Weights weights = random_weights(1);
  return weights;
}

inline BackboneOptions small_images(std::size_t batch_size) {
  BackboneOptions options;
  options.image_size = {32, 32};
  options.batch_size = batch_size;
  return options;
}

// Images in a backend's host memory, and memory for their features.
class Batch {
 public:
  Batch(Backend& backend, const BackboneOptions& options, std::size_t count)
      : count_(count),
        image_bytes_(std::size_t{options.image_size.height} * options.image_size.width * 3),
        feature_count_(vgg16_feature_shape(options.image_size, options.features).count()),
        images_(backend.allocate_host(count * image_bytes_)),
        features_(backend.allocate_host(count * feature_count_ * sizeof(float))) {
    std::ranges::fill(features(), -1.0F);
  }
  Batch(Backend& backend, const BackboneOptions& options, std::size_t count, std::uint32_t seed)
      : Batch(backend, options, count) {
    std::mt19937 generator(seed);
    for (std::uint8_t& byte : images()) byte = static_cast<std::uint8_t>(generator() >> 24U);
  }

  std::size_t count() const { return count_; }
  std::span<std::uint8_t> images() const { return images_.as<std::uint8_t>(); }
  std::span<std::uint8_t> image(std::size_t index) const {
    return images().subspan(index * image_bytes_, image_bytes_);
  }
  std::span<float> features() const { return features_.as<float>(); }
  std::vector<float> row(std::size_t index) const {
    const auto values = features().subspan(index * feature_count_, feature_count_);
    return {values.begin(), values.end()};
  }
  std::vector<float> rows() const { return {features().begin(), features().end()}; }

 private:
  std::size_t count_, image_bytes_, feature_count_;
  HostBuffer images_, features_;
};

inline Backbone::Ticket submit(Backbone& backbone, const Batch& batch) {
  return backbone.submit(batch.images(), batch.count(), batch.features());
}
inline void compute(Backbone& backbone, const Batch& batch) {
  backbone.wait(submit(backbone, batch));
}

// The features of images 0 … count-1, one a batch, all in flight before the first is waited for.
inline std::vector<std::vector<float>> features_in_flight(Backend& backend, Backbone& backbone,
                                                          const BackboneOptions& options,
                                                          std::uint32_t count) {
  std::vector<Batch> batches;
  std::vector<Backbone::Ticket> tickets;
  for (std::uint32_t i = 0; i < count; ++i) batches.emplace_back(backend, options, 1, i);
  for (const Batch& batch : batches) tickets.push_back(submit(backbone, batch));
  std::vector<std::vector<float>> rows;
  for (std::uint32_t i = 0; i < count; ++i) {
    backbone.wait(tickets[i]);
    rows.push_back(batches[i].rows());
  }
  return rows;
}

// The CPU's features of the same images.
inline std::vector<float> cpu_features(const Vgg16Weights& weights, BackboneOptions options,
                                       const Batch& batch) {
  cpu::CpuBackend backend(2);
  options.precision = Precision::fp32;
  options.batch_size = batch.count();
  std::vector<float> features(batch.features().size());
  const auto backbone = backend.make_backbone(weights, options);
  backbone->wait(backbone->submit(batch.images(), batch.count(), features));
  return features;
}

class CudaBackboneTest : public CudaTest {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    if (!IsSkipped()) backend_.emplace(0, 2);
  }
  // A leak on the virtual GPU fails the test.
  void TearDown() override {
    backend_.reset();
    if (on_virtual_gpu()) {
      GRAFT_VIRTUAL_GPU(vgpu_set_seed)(0);
      GRAFT_VIRTUAL_GPU(vgpu_check_leaks)();
    }
    CudaTest::TearDown();
  }

  std::optional<cuda::CudaBackend> backend_;
};

}  // namespace graft::test
