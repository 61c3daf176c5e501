#include "engine/backend/cpu/packed_weights.h"

#include <fmt/format.h>

#include "engine/base/error.h"

namespace graft::cpu {
namespace {

// Returns a sentence when it could be written nowhere.
std::string keep_for_next_start(const PackedWeightsRequest& request, const PackedLayers& layers,
                                ThreadPool& threads) {
  std::string reasons;
  for (const std::filesystem::path& folder : request.folders) {
    try {
      make_folder(folder);
      write_packed_weights(folder / packed_weights_name(request), request.key, layers, threads);
      return "";  // false: another process has just made the same
    } catch (const Error& error) {
      reasons += (reasons.empty() ? "" : "; ") + std::string(error.what());
    }
  }
  if (reasons.empty()) return "";
  return "The transformed weights are made again at each start: " + reasons;
}

}  // namespace

std::filesystem::path packed_weights_name(const PackedWeightsRequest& request) {
  return fmt::format("{}.packed{}", request.weights_name, request.key.panel_columns);
}

PackedWeights::PackedWeights(const PackedWeightsRequest& request, ThreadPool& threads,
                             std::vector<std::string>& remarks) {
  for (const std::filesystem::path& folder : request.folders) {
    if (take_from(folder / packed_weights_name(request), request, threads, remarks)) return;
  }
  make(request);
  const std::string failure = keep_for_next_start(request, layers_, threads);
  if (!failure.empty()) remarks.push_back(failure);
}

bool PackedWeights::take_from(const std::filesystem::path& path,
                              const PackedWeightsRequest& request, ThreadPool& threads,
                              std::vector<std::string>& remarks) {
  try {
    file_ = PackedWeightsFile::open(path, request.key);
  } catch (const Error&) {
    return false;  // what cannot be read is made
  }
  if (!file_) return false;
  layers_ = file_->layers();
  const bool intact = digests_of(layers_, threads) == file_->digests();
  if (!intact) {
    remarks.push_back(fmt::format("{} is damaged; it is made again", path.string()));
    file_.reset();
  }
  return intact;
}

void PackedWeights::make(const PackedWeightsRequest& request) {
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    memory_[layer] = AlignedFloats::uninitialised(request.key.floats[layer]);
    request.pack(layer, memory_[layer].data());
    layers_[layer] = memory_[layer].values();
  }
}

}  // namespace graft::cpu
