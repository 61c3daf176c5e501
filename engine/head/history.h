#pragma once
// The measurements of each epoch of training, under Keras' names.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace graft {

struct Epoch {
  double loss = 0.0;  // over the training rows, with dropout on and the weights moving
  double accuracy = 0.0;
  double val_loss = 0.0;  // over the validation rows, after the last batch
  double val_accuracy = 0.0;
  bool operator==(const Epoch&) const = default;
};

using History = std::vector<Epoch>;

// The epoch with the highest val_accuracy; of equals the one with the lowest val_loss; of those the
// first. 0-based; throws Error(usage) when empty.
std::size_t best_epoch(const History& history);

// history.csv: epoch,loss,accuracy,val_loss,val_accuracy; epochs count from 1.
std::string history_csv(const History& history);
// history.json: {"history": {"loss": […], "accuracy": […], "val_loss": […], "val_accuracy": […]},
// "best": {"val_accuracy": best_epoch + 1, "val_loss": the first epoch with the lowest}}. Without
// epochs there is no "best".
std::string history_json(const History& history);
// Both: the shortest digits that read back, so equal numbers give equal bytes in every locale. A
// value that is not finite throws Error(usage): JSON has no word for it.

// Reads what history_json wrote, bit for bit. Throws Error(data) for anything else.
History parse_history_json(std::string_view text);

}  // namespace graft
