#include "engine/backend/cpu/packed_weights.h"

#include <fmt/format.h>

#include "engine/base/error.h"

namespace graft::cpu {
namespace {

// Returns a sentence when it could be written nowhere.
std::string keep_for_next_start(const PackedWeightsRequest& request, const PackedLayers& layers,
                                ThreadPool& threads) {
  std::string reasons;
  for (const std::filesystem::path& place : packed_weights_places(request)) {
    try {
      make_folder(place.parent_path());
      write_packed_weights(place, request.key, layers, threads);
      return "";  // false: another process has just made the same
    } catch (const Error& error) {
      reasons += (reasons.empty() ? "" : "; ") + std::string(error.what());
    }
  }
  if (reasons.empty()) return "";
  return "The transformed weights are made again at each start: " + reasons;
}

}  // namespace

std::vector<std::filesystem::path> packed_weights_places(const PackedWeightsRequest& request) {
  std::vector<std::filesystem::path> places;
  if (request.weights.empty()) return places;
  const std::string name = request.weights.filename().string();
  const std::string ending = fmt::format(".packed{}", request.key.panel_columns);
  places.push_back(std::filesystem::absolute(request.weights).parent_path() / (name + ending));
  if (!request.cache.empty()) {
    const std::string digest = request.key.weights.hex().substr(0, 12);
    places.push_back(request.cache / fmt::format("{}.{}{}", name, digest, ending));
  }
  return places;
}

PackedWeights::PackedWeights(const PackedWeightsRequest& request, ThreadPool& threads,
                             std::vector<std::string>& remarks) {
  for (const std::filesystem::path& place : packed_weights_places(request)) {
    if (take_from(place, request, threads, remarks)) return;
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
    remarks.push_back(fmt::format("{} is damaged and not used", path.string()));
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
