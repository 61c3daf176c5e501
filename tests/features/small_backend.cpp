#include "tests/features/small_backend.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "engine/dataset/dataset.h"

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
  most_under_way = std::max(most_under_way, submitted_.size() - done_);
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
}

const Dataset& SmallSet::read() {
  RecordingObserver silent;  // train and validation are one folder here: that warning is not wanted
  dataset = read_datasets(data, 1, silent, {}).train;
  return dataset;
}

ExtractionRequest SmallSet::request() const {
  ExtractionRequest request;
  request.folder = features;
  request.name = "train";
  request.dataset = &dataset;
  request.data = data;
  request.batch_size = batch_size;
  request.decode_threads = decode_threads;
  request.weights = weights;
  request.numerics = backend.numerics_name;
  return request;
}

ExtractionCounts SmallSet::extract() {
  read();
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
  return extract_features(request(), backend, ask, observer, stop.get_token());
}

std::string SmallSet::result_bytes() const {
  std::string bytes;
  for (const char* name : {"train.npy", "train.labels.npy", "train.files.json"}) {
    std::ifstream file(result(name), std::ios::binary);
    bytes += std::string(name) + (file ? " there:" : " absent:");
    bytes.append(std::istreambuf_iterator<char>(file), {});
  }
  return bytes;
}

std::vector<std::string> SmallSet::result_files() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(features)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace graft::test
