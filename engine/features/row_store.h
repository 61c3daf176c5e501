#pragma once
// Known rows, which need not be computed again. They come from any number of row files (finished
// sets, interrupted extractions) that have one key, and are found by their row_digest.

#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/base/digest.h"
#include "engine/base/file.h"
#include "engine/features/row_log.h"

namespace graft {

class RowStore {
 public:
  struct Row {
    std::span<const std::byte> bytes;
    Digest check;
  };

  // `file` holds, from layout.data_offset on, the rows of the entries without a bad_reason, in
  // order.
  void add(MappedFile file, const RowLayout& layout, std::span<const RowEntry> entries);

  // Nothing when the row is unknown, or its bytes are not what they were.
  std::optional<Row> find(const Digest& digest) const;
  // Why this image has no row; null when that is unknown.
  const std::string* bad_reason(const Digest& content) const;

 private:
  std::vector<MappedFile> files_;
  std::unordered_map<Digest, Row, DigestHash> rows_;
  std::unordered_map<Digest, std::string, DigestHash> bad_;
};

}  // namespace graft
