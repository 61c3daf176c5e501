#include "tests/features/small_backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "engine/base/error.h"
#include "engine/dataset/dataset.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

constexpr std::size_t channels = 512;
constexpr std::size_t image_bytes =
    std::size_t{small_image_size.height} * small_image_size.width * 3;
constexpr std::size_t feature_count = 2 * channels;

}  // namespace

std::vector<float> small_features(std::span<const std::uint8_t> rgb) {
  std::vector<float> features(feature_count);
  for (std::size_t cell = 0; cell < 2; ++cell) {
    double sum[3] = {0, 0, 0};
    for (std::size_t y = 0; y < small_image_size.height; ++y) {
      for (std::size_t x = cell * 32; x < (cell + 1) * 32; ++x) {
        for (std::size_t c = 0; c < 3; ++c) sum[c] += rgb[(y * small_image_size.width + x) * 3 + c];
      }
    }
    for (std::size_t channel = 0; channel < channels; ++channel) {
      features[cell * channels + channel] = static_cast<float>(
          sum[channel % 3] * static_cast<double>(channel + 1) / (1024.0 * 255.0));
    }
  }
  return features;
}

Backbone::Ticket SmallBackbone::submit(std::span<const std::uint8_t> images, std::size_t count,
                                       std::span<float> features) {
  if (before_submit) before_submit(batch_sizes.size());
  if (images.size() != count * image_bytes || features.size() != count * feature_count) {
    throw std::logic_error("submit: sizes do not fit the count");
  }
  batch_sizes.push_back(count);
  submitted_.push_back({images, count, features});
  most_in_flight = std::max(most_in_flight, submitted_.size() - done_);
  if (!deferred_) wait(submitted_.size());
  return submitted_.size();
}

void SmallBackbone::wait(Ticket ticket) {
  for (; done_ < ticket; ++done_) {
    if (before_compute) before_compute(done_);
    compute(submitted_.at(done_));
  }
}

void SmallBackbone::compute(const Batch& batch) {
  for (std::size_t i = 0; i < batch.count; ++i) {
    const std::vector<float> row =
        small_features(batch.images.subspan(i * image_bytes, image_bytes));
    std::copy(row.begin(), row.end(),
              batch.features.begin() + static_cast<std::ptrdiff_t>(i * feature_count));
  }
  images_computed += batch.count;
}

HostBuffer SmallBackend::allocate_host(std::size_t size) {
  ++buffers;
  bytes += size;
  return {new std::byte[size], size, [](std::byte* data) { delete[] data; }};
}

std::unique_ptr<Backbone> SmallBackend::make_backbone(const Vgg16Weights&, const BackboneOptions&) {
  return std::make_unique<SmallBackbone>(in_flight > 1);
}

std::unique_ptr<Head> SmallBackend::make_head(const HeadOptions&) {
  throw std::logic_error("the small backend trains nothing");
}

SmallSet::SmallSet(const std::filesystem::path& folder, std::size_t classes, std::size_t count)
    : images(folder / "images"), features(folder / "features") {
  for (std::size_t c = 0; c < classes; ++c) {
    for (std::size_t i = 0; i < count; ++i) {
      write_png(image(numbered("c", c, numbered("/", i, ".png"))),
                static_cast<unsigned>(1000 * c + i));
    }
  }
  data.train = data.validation = images;
  data.image_size = small_image_size;
  data.resize = Resize::nearest;
  data.preprocess = Preprocess::rescale;
}

void SmallSet::read() {
  RecordingObserver silent;  // train and validation may be one folder: that warning is not wanted
  DataConfig chosen = data;
  if (chosen.validation_split > 0.0) chosen.validation.clear();
  kept = std::make_unique<KeptFiles>(kept_bytes);
  datasets = read_datasets(chosen, 1, silent, {}, {.kept = kept.get()});
}

ExtractionRequest SmallSet::request() const {
  ExtractionRequest request{features,
                            {},
                            {data, batch_size, decode_threads},
                            weights,
                            backend.numerics_name,
                            settings,
                            kept.get(),
                            sync_interval};
  for (const std::string& name : names) {
    request.sets.push_back({name, name == "train" ? &datasets.train : &datasets.validation});
  }
  return request;
}

ExtractionCounts SmallSet::extract() {
  read();
  if (after_read) after_read();
  SmallBackbone backbone(backend.in_flight > 1);
  backbone.before_submit = before_submit;
  backbone.before_compute = before_compute;
  backbone_asked_for = false;
  observer = {};
  const auto keep = [&](void*) {
    images_computed = backbone.images_computed;
    notes = observer.all_notes();
  };
  // Also when the extraction throws.
  const std::unique_ptr<void, decltype(keep)> at_the_end(this, keep);
  const auto ask = [&]() -> Backbone& {
    backbone_asked_for = true;
    return backbone;
  };
  return extract_features(request(), {backend, observer, nullptr, stop.get_token()}, ask).front();
}

void SmallSet::interrupt_after(std::size_t batches) {
  before_submit = [this, batches](std::size_t batch) {
    if (batch + 1 == batches) stop.request_stop();
  };
  try {
    extract();
    ADD_FAILURE() << "not interrupted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::interrupted);
  }
  stop = {};
  before_submit = nullptr;
}

std::string SmallSet::result_bytes() const {
  std::string bytes;
  for (const std::string& name : names) {
    for (const char* extension : {".npy", ".labels.npy", ".files.json"}) {
      std::ifstream file(result(name + extension), std::ios::binary);
      bytes += name + extension + (file ? " exists:" : " absent:");
      bytes.append(std::istreambuf_iterator<char>(file), {});
    }
  }
  return bytes;
}

std::string SmallSet::fresh_result() const {
  const TemporaryFolder folder;
  SmallSet fresh(folder.path(), 0, 0);
  fresh.names = names;
  fresh.images = images;
  fresh.data = data;
  fresh.weights = weights;
  fresh.batch_size = 5;
  fresh.decode_threads = 1;
  fresh.extract();
  return fresh.result_bytes();
}

std::vector<std::string> SmallSet::result_files() const {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(features)) {
    found.push_back(entry.path().filename().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace graft::test
