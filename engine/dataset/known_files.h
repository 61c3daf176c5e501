#pragma once
// Digests of files that another process has read. A file with the same name, size and time need not be
// read again.

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <unordered_map>

#include "engine/base/digest.h"
#include "engine/base/file.h"

namespace graft {

class KnownFiles {
 public:
  // `set`: "train" or "validation". `file`: as in Sample::file.
  void add(std::string_view set, std::string_view file, const FileStamp& stamp,
           const Digest& content) {
    contents_.try_emplace(key_of(set, file, stamp), content);
  }
  std::optional<Digest> find(std::string_view set, std::string_view file,
                             const FileStamp& stamp) const {
    const auto found = contents_.find(key_of(set, file, stamp));
    return found == contents_.end() ? std::nullopt : std::optional(found->second);
  }
  bool empty() const { return contents_.empty(); }

 private:
  // Millions of names would take more memory than their digests.
  static Digest key_of(std::string_view set, std::string_view file, const FileStamp& stamp) {
    return digest_of(fmt::format("{} {} {} {}", set, stamp.size, stamp.time, file));
  }
  std::unordered_map<Digest, Digest, DigestHash> contents_;
};

}  // namespace graft
