#pragma once
// For each image of a data set: is its row known already, and where?

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/base/digest.h"
#include "engine/base/file.h"
#include "engine/dataset/dataset.h"
#include "engine/features/journal.h"
#include "engine/features/row_log.h"
#include "engine/features/stored_set.h"

namespace graft {

// Rows on disk that were computed with the present key, found by the digest of their image.
class KnownRows {
 public:
  struct Row {
    std::span<const std::byte> bytes;
    Digest check;
  };

  void add(StoredSet stored);
  void add(MappedFile rows, const RowLayout& layout, const JournalContents& contents);

  // Nothing when the row is unknown, or its bytes are not what they were.
  std::optional<Row> find(const Digest& content) const;
  // Why this image has no row; null when that is not known.
  const std::string* bad_reason(const Digest& content) const;
  bool empty() const { return rows_.empty() && bad_.empty(); }

 private:
  std::vector<StoredSet> stored_;
  std::vector<MappedFile> mapped_;
  std::unordered_map<Digest, Row, DigestHash> rows_;
  std::unordered_map<Digest, std::string, DigestHash> bad_;
};

struct PlannedSample {
  enum class Action { compute, copy, leave_out } action = Action::compute;
  KnownRows::Row row;  // copy
  std::string reason;  // leave_out
};

// What to do for each sample from `first` on; entries before it are not meaningful. Bad images are
// left out only when they may be skipped: else they are looked at again, and end the run.
std::vector<PlannedSample> plan_samples(const Dataset& dataset, std::size_t first,
                                        const KnownRows& known, OnBadImage on_bad_image);

// Of all that decides the bytes of NAME.npy: an interrupted extraction with this plan is gone on
// with in place.
Digest plan_fingerprint(const Dataset& dataset, const FeatureKey& key, OnBadImage on_bad_image);

// Keeps the rows of an interrupted extraction that had another plan, for those images that are
// still wanted, in the salvage file; then removes the extraction.
void salvage_rows(const SetPaths& paths, const RowLayout& layout, const JournalContents& journal,
                  const Dataset& dataset);

}  // namespace graft
