#pragma once
// The folders of shards in OUTPUT/features: shard-3-of-16/ has the rows of the photos of shard 3/16, in
// sets with the usual names and files (features.h). A shard's train.files.json also has the size and the
// time of each photo, so that who collects the rows does not read the photos again.

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/base/json.h"
#include "engine/base/observer.h"
#include "engine/dataset/dataset.h"
#include "engine/dataset/reading.h"
#include "engine/dataset/shard.h"
#include "engine/features/features.h"
#include "engine/features/key.h"
#include "engine/features/row_store.h"

namespace graft {

std::filesystem::path shard_folder(const std::filesystem::path& features, const Shard& shard);
// Those that exist, of any count.
std::vector<ShardFolder> shard_folders(const std::filesystem::path& features);

// Whether an extraction into the folder has not ended, or ended without removing its lock.
bool may_be_unfinished(const ShardFolder& shard, std::span<const std::string> sets);

// The photos that the finished sets list. A set whose photos were in another place is noted and
// ignored. `settings`: feature_settings() of the present config.
KnownFiles known_files(std::span<const ShardFolder> shards, std::span<const std::string> sets,
                       const JsonStrings& settings, Observer& observer);

// Throws Error(data) with the reason where the rows of a folder have another key. Adds the rows of the
// folders that may be of use; what is not complete there is noted.
void add_shards(const ExtractionRequest& request, const FeatureKey& key, std::size_t row_bytes,
                RowStore& store, Observer& observer);

// Says of which shards these photos are, which are computed although there are shards.
void note_computed(const ExtractionRequest& request, std::span<const Sample* const> photos,
                   Observer& observer);

}  // namespace graft
