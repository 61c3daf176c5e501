#pragma once
// The extraction of a job: of all photos, with the rows that shards have, or of one shard.

#include <array>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/base/folder_lock.h"
#include "engine/base/observer.h"
#include "engine/config/config.h"
#include "engine/dataset/dataset.h"
#include "engine/features/features.h"
#include "engine/job/job.h"
#include "engine/job/session.h"
#include "engine/job/start.h"

namespace graft {

inline const std::array<std::string, 2> set_names = {"train", "validation"};

std::filesystem::path features_folder(const Config& config);

// All is borrowed. The folder that the rows are written into must be locked.
class Extraction {
 public:
  // `shard`: null for all photos. These then take the rows of all shards in the features folder, and the
  // digests of the photos that shards have read and that have not changed since, unless `verify`. No
  // other process may continue an interrupted shard meanwhile. Throws as FolderLock does.
  Extraction(const Config& config, const Shard* shard, bool verify, const JobHooks& hooks,
             Observer& observer);

  // Reads the photos.
  Reading reading();
  const Datasets& sets() const { return photos_->sets; }
  // Writes the rows, and frees the photos.
  void write(Session& session);

 private:
  struct Photos {
    explicit Photos(std::uint64_t kept_bytes) : kept(kept_bytes) {}
    KeptFiles kept;
    Datasets sets;
  };
  void read(Observer& observer, std::stop_token stop);

  const Config& config_;
  const Shard* const shard_;
  const bool verify_;
  const JobHooks& hooks_;
  std::vector<ShardFolder> shards_;
  std::deque<FolderLock> locks_;
  std::optional<Photos> photos_;
};

}  // namespace graft
