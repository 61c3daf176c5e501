#pragma once
// What training has measured so far, epoch by epoch, under Keras' names.

#include <cstddef>
#include <filesystem>
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

// The texts of the two files below. Equal numbers give equal bytes, whatever the locale. A value
// that is not finite throws Error(usage): JSON has no word for it.
std::string history_csv(const History& history);
std::string history_json(const History& history);
// Reads what history_json wrote, bit for bit. Throws Error(data) for anything else.
History parse_history_json(std::string_view text);

// epoch,loss,accuracy,val_loss,val_accuracy; epochs count from 1; shortest digits that read back.
void write_history_csv(const std::filesystem::path& path, const History& history);
// {"history": {"loss": […], "accuracy": […], "val_loss": […], "val_accuracy": […]}}
void write_history_json(const std::filesystem::path& path, const History& history);

}  // namespace graft
