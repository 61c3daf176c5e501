#pragma once
// Training of the head on features: shuffles each epoch, keeps the short last batch, validates and
// saves after each epoch, and continues a killed run.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/backend/run_context.h"
#include "engine/config/config.h"
#include "engine/features/features.h"
#include "engine/head/history.h"

namespace graft {

// glorot_uniform kernels, zero biases, zero mean squares, from Philox keyed by the seed.
HeadState initial_head_state(const HeadOptions& options);

// The order of the rows in an epoch: a Fisher–Yates shuffle keyed by (seed, epoch).
std::vector<std::uint32_t> epoch_order(std::size_t rows, std::uint64_t seed, std::uint64_t epoch);

// Of a head that is only evaluated: training also sets steps and class weights.
HeadOptions head_options(const Config& config, std::size_t inputs, std::size_t classes);

// The trained classifier as a file: tensors dense/kernel, dense/bias, dense_1/kernel …; metadata
// classes (a JSON array of names), hidden, feature_shape, feature_key (what the features were
// computed with: an image to classify must be treated alike), epoch, digest (of all of these and the
// tensors).
struct TrainedHead {
  std::vector<DenseParameters> parameters;
  std::vector<std::string> classes;
  FeatureShape features;
  std::size_t epoch = 0;  // after which it was taken, counted from 1
  FeatureKey key;
};
void save_head(const std::filesystem::path& path, const TrainedHead& head);
// Throws Error(weights), also for content that its digest does not fit.
TrainedHead load_head(const std::filesystem::path& path);
std::string dense_name(std::size_t layer);  // "dense", "dense_1", …, as Keras counts

// One set, borrowed: the rows of each photo follow each other.
struct LabelledFeatures {
  FeatureView features;                   // photos × views rows
  std::span<const std::uint32_t> labels;  // of photos
  std::span<const std::string> classes;
  std::span<const std::string> files;  // of photos
  FeatureShape shape;
  Digest fingerprint;
  FeatureKey key;
  std::size_t views = 1;                  // rows of a photo
  std::span<const Digest> contents = {};  // of photos: digests of their files
};
LabelledFeatures labelled(const FeatureSet& set);

// Where a run reads and writes.
struct TrainingFolders {
  std::filesystem::path next;  // receives the files
  // A finished set. A run that it holds the checkpoint of goes on from there. May be absent.
  std::filesystem::path finished = {};
  // Called before the first file is written. `next` holds no file of another run then.
  std::function<void()> begin = {};
};

// Writes into folders.next: head.safetensors (after the last epoch), head_best.safetensors (see
// best_epoch), history.json, history.csv and checkpoint.safetensors (the state after the last
// complete epoch). A finished run has nothing to train: its files are written again, with the same
// bytes. The files of an older run stay in `next` until the first epoch of the new one is complete;
// where the new one is finished and the older one is not, they stay, and nothing is written. A
// checkpoint of another run (other features, seed, head or optimizer) is not continued, with a note
// that says why; one that differs only by fewer epochs is, where the schedule is constant. On stop,
// finishes the batch and throws Error(interrupted); the last complete epoch is saved. An epoch is
// saved while the next one trains, and its row is shown when it is saved; a file that cannot be
// written ends training after the next epoch's batches. Throws Error(data) when the sets are empty,
// do not fit each other, or hold a value that is not finite; Error(usage) when the loss stops being
// finite. The tracer receives each epoch, from 1, and each step.
History train_head(const RunContext& context, const LabelledFeatures& train,
                   const LabelledFeatures& validation, const Config& config,
                   const TrainingFolders& folders);

}  // namespace graft
