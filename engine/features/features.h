#pragma once
// Bottleneck features on disk. For a set named NAME ("train", "validation") the folder holds
//   NAME.npy          float32, rows × height × width × channels
//   NAME.labels.npy   uint32, one a row
//   NAME.files.json   path, class and content digest of each row, the skipped files, and the key
//                     (weights, preprocessing, size, arithmetic) that the rows were computed with
// Rows are computed once. A run takes every row with the same content digest and key from the row
// files in the folder, and computes the others. Row files are the finished sets, of train and of
// validation, and the interrupted extractions: NAME.npy.partial with NAME.journal, then
// NAME.1.npy.partial with NAME.1.journal, and so on (row_log.h).
// An interrupted extraction is continued in place when its rows are the first ones of the new set.
// Otherwise it stays until the new rows are complete, under the next number. All sets are written
// before the first is committed. So a photo that moves between train and validation is not computed
// again, and a kill at any moment loses no row that was synced. Rows are synced at the end of a batch,
// once sync_interval has passed, and when the extraction ends, fails or is stopped.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/backend/run_context.h"
#include "engine/base/digest.h"
#include "engine/dataset/dataset.h"
#include "engine/dataset/kept_files.h"
#include "engine/dataset/shard.h"
#include "engine/features/key.h"
#include "engine/features/npy.h"
#include "engine/features/pipeline.h"

namespace graft {

// The complete features of one set. Values are mapped, or held in memory when they fit the budget.
class FeatureSet {
 public:
  FeatureView view() const;  // rows: the views of the first photo, of the next …
  const std::vector<View>& views() const { return views_; }  // each a row of every photo
  const std::vector<std::string>& classes() const { return classes_; }
  // One for each photo.
  const std::vector<std::uint32_t>& labels() const { return labels_; }
  const std::vector<std::string>& files() const { return files_; }
  const std::vector<Digest>& contents() const { return contents_; }
  FeatureShape shape() const { return shape_; }
  const FeatureKey& key() const { return key_; }  // what the rows were computed with
  // feature_settings() of the config then.
  const JsonStrings& settings() const { return settings_; }
  Digest fingerprint() const { return fingerprint_; }  // of key, contents and labels in row order

  // Opens what extract_features wrote. Throws Error(data) that says what is missing or wrong.
  static FeatureSet open(const std::filesystem::path& folder, const std::string& name,
                         std::size_t memory_budget_bytes);

 private:
  FeatureSet() = default;
  std::optional<NpyFile> mapped_;
  std::vector<float> held_;
  std::vector<std::uint32_t> labels_;
  std::vector<std::string> classes_;
  std::vector<std::string> files_;
  std::vector<Digest> contents_;
  std::vector<View> views_;
  FeatureShape shape_;
  FeatureKey key_;
  JsonStrings settings_;
  Digest fingerprint_;
};

// Where the rows of a set came from.
struct ExtractionCounts {
  std::size_t computed = 0;
  std::size_t reused = 0;   // copied from a row file
  std::size_t resumed = 0;  // of the interrupted extraction that was continued
  std::size_t skipped = 0;  // bad images
};

struct NamedDataset {
  std::string name;  // "train" or "validation"
  const Dataset* dataset = nullptr;
};

// A folder of shard_folders.h.
struct ShardFolder {
  Shard shard;
  std::filesystem::path path;
  bool has_rows = true;  // that may be of use; the key must fit in any case
};

struct ExtractionRequest {
  std::filesystem::path folder;  // OUTPUT/features
  std::vector<NamedDataset> sets;
  PipelineOptions pipeline;
  Digest weights;             // Vgg16Weights::digest
  std::string numerics;       // Backend::numerics of the backbone
  JsonStrings settings;       // to be recorded: feature_settings()
  KeptFiles* kept = nullptr;  // may hold files of the sets; those that are not decoded are freed
  std::chrono::milliseconds sync_interval{250};
  std::vector<ShardFolder> shards = {};
  bool is_shard = false;  // the sets are parts: a class may have no row
};

// Ends the commits of extractions that were killed in it, and removes the stray files of killed
// ones. Rows that can be continued or reused stay. Needs the lock of the output folder.
void recover_features(const std::filesystem::path& folder, std::span<const std::string> sets);

// Writes NAME.npy and its companions for each set; returns what was done for each. A failure in any
// stage of the pipeline keeps the rows written and is thrown as the first cause. `backbone` is
// called only when a row has to be computed. On stop, finishes the batch, keeps it and throws
// Error(interrupted).
std::vector<ExtractionCounts> extract_features(const ExtractionRequest& request,
                                               const RunContext& context,
                                               const std::function<Backbone&()>& backbone);

}  // namespace graft
