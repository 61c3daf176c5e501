#pragma once
// The checkpoint of a training run: one file with all that the next epoch depends on. It is written
// after each epoch, completely or not at all.
//   tensors   dense/kernel, dense/bias, …, mean_squares/dense/kernel, …; for features that are
//             normalised also normalization/mean and normalization/scale
//   metadata  history (as history.json), key/NAME (see RunKey), digest (of these and the tensors)

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/head/history.h"

namespace graft {

// What makes two runs the same but for their number of epochs: (name, value), in the order of a
// message about differences.
using RunKey = std::vector<std::pair<std::string, std::string>>;

// All that the next epoch depends on, beside the features. The head takes normalised features.
struct TrainingState {
  HeadState head;
  Normalization normalization;
};

struct Checkpoint {
  TrainingState state;
  History history;  // its length is the number of epochs that are done
};

void save_checkpoint(const std::filesystem::path& path, const RunKey& key,
                     const TrainingState& state, const History& history);

// The checkpoint at `path` when it belongs to the run `key`. Otherwise nothing, and `reason`
// becomes a half-sentence that says why ("head.dropout was 0.3, is 0.5"); it stays empty where
// there is no file. Throws Error(io) when the file cannot be read.
std::optional<Checkpoint> load_checkpoint(const std::filesystem::path& path, const RunKey& key,
                                          const std::vector<DenseShape>& shapes,
                                          std::string& reason);

}  // namespace graft
