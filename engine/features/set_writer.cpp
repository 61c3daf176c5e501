#include "engine/features/set_writer.h"

#include <algorithm>

#include "engine/base/error.h"

namespace graft {

void list_row(FileList& list, const Sample& sample, const Digest& check) {
  list.rows.push_back({sample.file, sample.label, sample.content, check});
}

void list_bad(FileList& list, const Sample& sample, const std::string& reason) {
  list.skipped.push_back({sample.file, reason, sample.content});
}

void SetWriter::add_row(std::span<const std::byte> row, const Digest& check) {
  const Sample& sample = dataset_.samples[next_];
  log_.add_row(sample.content, row, check);
  list_row(list_, sample, check);
  ++next_;
}

void SetWriter::add_bad(const std::string& reason) {
  const Sample& sample = dataset_.samples[next_];
  log_.add_bad(sample.content, reason);
  list_bad(list_, sample, reason);
  ++next_;
}

bool SetWriter::copy_known(std::size_t limit) {
  const std::size_t begin = next_;
  while (next_ < plan_.size() && next_ - begin < limit) {
    const PlannedSample& planned = plan_[next_];
    if (planned.action == PlannedSample::Action::compute) break;
    if (planned.action == PlannedSample::Action::copy) {
      add_row(planned.row.bytes, planned.row.check);
    } else {
      add_bad(planned.reason);
    }
  }
  log_.flush();
  return next_ > begin;
}

void SetWriter::copy_known_before(std::size_t sample) {
  constexpr std::size_t rows_a_flush = 1024;
  while (next_ < sample) {
    if (!copy_known(std::min(rows_a_flush, sample - next_))) {
      throw Error(ErrorKind::usage, "rows of features came out of order");
    }
  }
}

void SetWriter::add(const FeatureBatch& batch, const std::vector<std::size_t>& samples) {
  std::size_t row = 0;
  std::size_t bad = 0;
  while (row < batch.images.size() || bad < batch.bad.size()) {
    const bool is_row = bad == batch.bad.size() ||
                        (row < batch.images.size() && batch.images[row] < batch.bad[bad].image);
    const std::size_t image = is_row ? batch.images[row] : batch.bad[bad].image;
    copy_known_before(samples[image]);
    if (is_row) {
      const std::span<const float> values(batch.features.row(row), batch.features.columns);
      add_row(std::as_bytes(values), digest_of(std::as_bytes(values)));
      ++row;
    } else {
      add_bad(batch.bad[bad].reason);
      ++bad;
    }
  }
  log_.flush();
}

}  // namespace graft
