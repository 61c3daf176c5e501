#pragma once
// The packed weights of a backbone: mapped from a file where there is one, else made, and kept in a
// file for the next start. The kernels read them where they are mapped: measured in long runs, the
// small pages of a mapping cost less than 1 % against a copy in huge pages.
//
// The file stands beside the weights, as WEIGHTS.packed32 (columns of a panel, which differ between
// vector units), or, when it cannot be written there, in the cache folder. That is shared by weights
// of many folders, so the name carries the weights' digest there: WEIGHTS.0123456789ab.packed32. It
// replaces the one of another version, and beside the weights the one of other weights. Several
// processes may start at once: one writes, the others go on with what they made.

#include <array>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/backend/cpu/aligned_floats.h"
#include "engine/backend/cpu/packed_weights_file.h"

namespace graft::cpu {

struct PackedWeightsRequest {
  PackedWeightsKey key;
  std::filesystem::path weights;  // the file they are made from; empty: nothing is kept
  std::filesystem::path cache;    // the folder of the second choice; empty: there is none
  // Makes a layer: key.floats[layer] values.
  std::function<void(std::size_t layer, float* packed)> pack;
};

// Where the packed weights may stand, in the order of choice.
std::vector<std::filesystem::path> packed_weights_places(const PackedWeightsRequest& request);

class PackedWeights {
 public:
  // Appends a sentence to `remarks` for a file that is damaged, and when none can be written.
  PackedWeights(const PackedWeightsRequest& request, ThreadPool& threads,
                std::vector<std::string>& remarks);

  std::span<const float> layer(std::size_t index) const { return layers_[index]; }

 private:
  bool take_from(const std::filesystem::path& path, const PackedWeightsRequest& request,
                 ThreadPool& threads, std::vector<std::string>& remarks);
  void make(const PackedWeightsRequest& request);

  std::optional<PackedWeightsFile> file_;
  std::array<AlignedFloats, vgg16_convolutions> memory_;  // where the file is not read in place
  PackedLayers layers_{};
};

}  // namespace graft::cpu
