#pragma once
// Known rows, which need not be computed again. They come from any number of row files (finished
// sets, interrupted extractions) that have one key, and are found by the digest of their image.

#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/base/digest.h"
#include "engine/base/file.h"
#include "engine/dataset/dataset.h"
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
  std::optional<Row> find(const Digest& content) const;
  // Why this image has no row; null when that is unknown.
  const std::string* bad_reason(const Digest& content) const;

 private:
  std::vector<MappedFile> files_;
  std::unordered_map<Digest, Row, DigestHash> rows_;
  std::unordered_map<Digest, std::string, DigestHash> bad_;
};

// How a sample gets its row.
struct SampleAction {
  enum class Kind { compute, copy, skip } kind = Kind::compute;
  RowStore::Row row;   // copy
  std::string reason;  // skip
};

// The actions for all samples; those before `first` are not meaningful. Known bad images are
// skipped only where data.on_bad_image says so: else they are decoded again, and end the run.
std::vector<SampleAction> choose_actions(const Dataset& dataset, std::size_t first,
                                         const RowStore& store, OnBadImage on_bad_image);

}  // namespace graft
