#pragma once
// Bottleneck features on disk. For a set named NAME ("train", "validation") the folder holds
//   NAME.npy          float32, rows × height × width × channels
//   NAME.labels.npy   uint32, one a row
//   NAME.files.json   path, class and content digest of each row, the files left out, and the key
//                     (weights, preprocessing, size, arithmetic) that the rows were computed with
// Rows are computed once: a run takes from an earlier one, whole or interrupted, every row whose
// content digest and key are the same, and computes the others. NAME.npy.partial and NAME.journal
// hold an extraction that is under way.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/base/digest.h"
#include "engine/base/observer.h"
#include "engine/base/trace.h"
#include "engine/config/config.h"
#include "engine/dataset/dataset.h"
#include "engine/features/key.h"
#include "engine/features/npy.h"

namespace graft {

// The features of one set, whole. Values are mapped, or held in memory when they fit the budget.
class FeatureSet {
 public:
  FeatureView view() const;
  const std::vector<std::uint32_t>& labels() const { return labels_; }
  const std::vector<std::string>& classes() const { return classes_; }
  const std::vector<std::string>& files() const { return files_; }  // one a row
  const std::vector<BadFile>& skipped() const { return skipped_; }
  FeatureShape shape() const { return shape_; }
  const FeatureKey& key() const { return key_; }       // what the rows were computed with
  Digest fingerprint() const { return fingerprint_; }  // of key, contents and labels in row order

  // Opens what extract_features wrote. Throws Error(data) that says what is missing or does not
  // fit.
  static FeatureSet open(const std::filesystem::path& folder, const std::string& name,
                         std::size_t memory_budget_bytes);

 private:
  FeatureSet() = default;
  std::optional<NpyFile> mapped_;
  std::vector<float> held_;
  std::vector<std::uint32_t> labels_;
  std::vector<std::string> classes_;
  std::vector<std::string> files_;
  std::vector<BadFile> skipped_;
  FeatureShape shape_;
  FeatureKey key_;
  Digest fingerprint_;
};

// Where the rows of a set came from.
struct ExtractionCounts {
  std::size_t computed = 0;
  std::size_t reused = 0;   // from an earlier whole set
  std::size_t resumed = 0;  // from an interrupted extraction
  std::size_t skipped = 0;  // bad images, left out
};

struct ExtractionRequest {
  std::filesystem::path folder;  // OUTPUT/features
  std::string name;              // "train" or "validation"
  const Dataset* dataset = nullptr;
  DataConfig data;
  std::size_t batch_size = 32;
  std::size_t decode_threads = 1;
  std::size_t pipeline_depth = 0;  // batches under way at once; 0: as the backend wants
  Digest weights;                  // Vgg16Weights::digest
  std::string numerics;            // Backend::numerics of the backbone
  Tracer* tracer = nullptr;        // who is told what each thread does; borrowed, may be null
};

// Makes NAME.npy and its companions. Stages: read and decode (decode_threads) → backbone → disk,
// with bounded queues between; a failure in any stage stops all, keeps the rows written, and is
// thrown as the first cause. `backbone` is called only when a row has to be computed. On stop:
// finishes the batch, keeps it, throws Error(interrupted).
ExtractionCounts extract_features(const ExtractionRequest& request, Backend& backend,
                                  const std::function<Backbone&()>& backbone, Observer& observer,
                                  std::stop_token stop);

// Decodes, resizes and runs images that need not be kept: for prediction. Calls `batch` with rows
// of features in the order of `files`; a bad image is passed to `bad` and has no row.
struct PredictionRequest {
  std::filesystem::path root;  // prefix of the files; may be empty
  std::vector<std::string> files;
  DataConfig data;
  std::size_t batch_size = 32;
  std::size_t decode_threads = 1;
  std::size_t pipeline_depth = 0;  // batches under way at once; 0: as the backend wants
};
void stream_features(
    const PredictionRequest& request, Backend& backend, Backbone& backbone,
    const std::function<void(std::span<const std::size_t> files, FeatureView)>& batch,
    const std::function<void(std::size_t file, const std::string& reason)>& bad,
    std::stop_token stop);

}  // namespace graft
