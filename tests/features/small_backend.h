#pragma once
// A small, exact backend whose work a test can count and stop anywhere: each feature of an image is
// a weighted mean of the pixels of its cell.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/features/features.h"
#include "tests/support/files.h"
#include "tests/support/image_files.h"
#include "tests/support/recording_observer.h"

namespace graft::test {

inline constexpr ImageSize small_image_size{32, 64};  // features: 1 × 2 × 512

class SmallBackbone final : public Backbone {
 public:
  // `deferred`: the work of a ticket is done when it is waited for, as on a device.
  explicit SmallBackbone(bool deferred) : deferred_(deferred) {}

  Ticket submit(std::span<const std::uint8_t> images, std::size_t count,
                std::span<float> features) override;
  void wait(Ticket ticket) override;

  std::size_t images_computed = 0;
  std::vector<std::size_t> batch_sizes;
  std::size_t most_in_flight = 0;
  std::function<void(std::size_t batch)> before_submit;   // may throw, wait, or stop the run
  std::function<void(std::size_t batch)> before_compute;  // the same, where the work is done

 private:
  struct Batch {
    std::span<const std::uint8_t> images;
    std::size_t count;
    std::span<float> features;
  };
  void compute(const Batch& batch);
  const bool deferred_;
  std::vector<Batch> submitted_;
  std::size_t done_ = 0;
};

class SmallBackend final : public Backend {
 public:
  std::string description() const override { return "a small backend"; }
  std::string numerics(const BackboneOptions&) override { return numerics_name; }
  Precision automatic_precision() const override { return Precision::fp32; }
  std::size_t automatic_batch(const BackboneOptions&) const override { return 4; }
  HostBuffer allocate_host(std::size_t bytes) override;
  std::size_t batches_in_flight() const override { return in_flight; }
  std::size_t host_threads() const override { return 1; }
  std::unique_ptr<Backbone> make_backbone(const Vgg16Weights&, const BackboneOptions&) override;
  std::unique_ptr<Head> make_head(const HeadOptions&) override;

  std::string numerics_name = "small";
  std::size_t in_flight = 1;
  std::size_t buffers = 0;
  std::size_t bytes = 0;
};

// The features that SmallBackbone gives for an image of small_image_size.
std::vector<float> small_features(std::span<const std::uint8_t> rgb);

// A folder of images with one class a sub-folder, and a folder for features, and how to extract.
class SmallSet {
 public:
  // `classes` × `images` PNG files: c0/0.png, c0/1.png, …, c1/0.png …
  SmallSet(const std::filesystem::path& folder, std::size_t classes, std::size_t images);

  // Reads the images' folder again, and keeps its files for the extraction.
  void read();
  ExtractionRequest request() const;
  // Reads the folder, extracts with a new backbone, and keeps what was counted; of the first set.
  ExtractionCounts extract();
  // Stops an extraction with Error(interrupted) once `batches` batches are done.
  void interrupt_after(std::size_t batches);
  // The bytes of all result files of the sets.
  std::string result_bytes() const;
  // The same of the images as they are now, extracted into an empty folder.
  std::string fresh_result() const;
  std::filesystem::path image(const std::string& file) const { return images / file; }
  std::filesystem::path result(const std::string& name) const { return features / name; }
  // Names of the files in the features' folder, sorted.
  std::vector<std::string> result_files() const;

  std::vector<std::string> names = {"train"};  // the sets; with "validation", data has a split
  std::filesystem::path images;
  std::filesystem::path features;
  DataConfig data;
  Digest weights{1, 2};
  JsonStrings settings;
  std::size_t batch_size = 3;
  std::size_t decode_threads = 2;
  std::chrono::milliseconds sync_interval{0};         // rows are synced after each batch
  std::uint64_t kept_bytes = std::uint64_t{1} << 30;  // of files that are read once
  SmallBackend backend;
  RecordingObserver observer;
  std::stop_source stop;
  std::function<void(std::size_t batch)> before_submit, before_compute;
  std::function<void()> after_read;  // between reading and extracting
  // Of the last extract():
  Datasets datasets;
  std::unique_ptr<KeptFiles> kept;
  std::size_t images_computed = 0;
  bool backbone_asked_for = false;
  std::string notes;
};

}  // namespace graft::test
