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
#include "engine/dataset/dataset.h"
#include "engine/features/key.h"
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

// A row that a set shall have: a view of a photo.
struct WantedRow {
  const Sample* photo;
  View view;
  Digest digest;  // row_digest
};

// The views of each photo follow each other. Borrows the samples.
std::vector<WantedRow> wanted_rows(const Dataset& dataset, const std::vector<View>& views);

// How a wanted row is made.
struct RowAction {
  enum class Kind { compute, copy, skip } kind = Kind::compute;
  RowStore::Row row;   // copy
  std::string reason;  // skip
};

// The actions for all rows; those before `first` are not meaningful. Known bad images are skipped
// only where data.on_bad_image says so: else they are decoded again, and end the run.
std::vector<RowAction> choose_actions(const std::vector<WantedRow>& rows, std::size_t first,
                                      const RowStore& store, OnBadImage on_bad_image);

}  // namespace graft
