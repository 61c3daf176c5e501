#pragma once
// The bytes of photos that were read for their digests and will be decoded. A photo is read once
// where memory allows, and decoded as it was then, also when its file has changed since.

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "engine/base/digest.h"

namespace graft {

struct KeptFile {
  std::vector<std::byte> bytes;
  std::uint64_t decoding_memory = 0;  // as in ImageFile
};

// Its functions may run at the same time on several threads.
class KeptFiles {
 public:
  // `limit`: of the bytes that are added, in all.
  explicit KeptFiles(std::uint64_t limit) : free_(limit) {}

  // Keeps one more file if it fits. Otherwise frees it.
  void add(const Digest& content, KeptFile file) {
    const std::lock_guard lock(mutex_);
    if (file.bytes.size() > free_) return;
    free_ -= file.bytes.size();
    files_.emplace(content, std::move(file));
  }
  // Gives away one file with this content. Nothing where there is none.
  std::optional<KeptFile> take(const Digest& content) {
    const std::lock_guard lock(mutex_);
    auto file = files_.extract(content);
    if (file.empty()) return std::nullopt;
    return std::move(file.mapped());
  }
  // Frees all files with other contents.
  void keep_only(const std::unordered_set<Digest, DigestHash>& contents) {
    const std::lock_guard lock(mutex_);
    std::erase_if(files_, [&](const auto& file) { return !contents.contains(file.first); });
  }

 private:
  std::mutex mutex_;
  std::uint64_t free_;
  std::unordered_multimap<Digest, KeptFile, DigestHash> files_;  // copies of a photo are separate
};

}  // namespace graft
