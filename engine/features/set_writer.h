#pragma once
// Writes the rows of a set in row order, whether they come from the backbone or from disk, so that
// each is at its final place at once: a bad image leaves no hole.

#include <cstddef>
#include <vector>

#include "engine/dataset/dataset.h"
#include "engine/features/files_json.h"
#include "engine/features/pipeline.h"
#include "engine/features/plan.h"
#include "engine/features/row_log.h"

namespace graft {

class SetWriter {
 public:
  // Samples before `next` are in the log already. All is borrowed but the log.
  SetWriter(const Dataset& dataset, const std::vector<PlannedSample>& plan, std::size_t next,
            RowLog log, FileList& list)
      : dataset_(dataset), plan_(plan), next_(next), log_(std::move(log)), list_(list) {}

  // Takes the results of these samples, with the known rows that stand before and between them, and
  // returns when they are on disk and in the journal. `samples` maps the batch's images to samples.
  void add(const FeatureBatch& batch, const std::vector<std::size_t>& samples);

  // Copies the known rows that come next, at most `limit` of them; false when there are none.
  bool copy_known(std::size_t limit);

  std::size_t next() const { return next_; }  // the first sample that is not done
  RowLog& log() { return log_; }

 private:
  void copy_known_before(std::size_t sample);
  void add_row(std::span<const std::byte> row, const Digest& check);
  void add_bad(const std::string& reason);

  const Dataset& dataset_;
  const std::vector<PlannedSample>& plan_;
  std::size_t next_;
  RowLog log_;
  FileList& list_;
};

// Notes a sample's outcome in the list.
void list_row(FileList& list, const Sample& sample, const Digest& check);
void list_bad(FileList& list, const Sample& sample, const std::string& reason);

}  // namespace graft
