#include <fmt/format.h>

#include <utility>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "engine/features/features.h"
#include "engine/features/set_files.h"

namespace graft {
namespace {

Digest fingerprint_of(const FileList& list) {
  Digester digester;
  digester.add(list.key.fingerprint().hex());
  for (std::size_t row = 0; row < list.rows.size(); ++row) {
    digester.add(list.digest_of_row(row).hex());
    digester.add(fmt::format(":{};", list.rows[row].label));
  }
  return digester.digest();
}

}  // namespace

FeatureView FeatureSet::view() const {
  const float* data = mapped_ ? mapped_->floats().data() : held_.data();
  return {data, labels_.size() * views_.size(), shape_.count()};
}

FeatureSet FeatureSet::open(const std::filesystem::path& folder, const std::string& name,
                            std::size_t memory_budget_bytes) {
  const SetPaths paths(folder, name);
  for (const LogPaths& log : paths.logs()) {
    if (!std::filesystem::exists(log.journal)) continue;
    throw Error(ErrorKind::data,
                "the extraction of {} in {} was interrupted; run it again to finish it", name,
                shown(folder));
  }
  if (!stored_set_exists(paths)) {
    throw Error(ErrorKind::data, "there are no features {}; extract them first", shown(paths.npy));
  }
  StoredSet stored = open_stored_set(paths);

  FeatureSet set;
  set.shape_ = stored.list.shape;
  set.classes_ = stored.list.classes;
  set.key_ = stored.list.key;
  set.settings_ = stored.list.settings;
  set.fingerprint_ = fingerprint_of(stored.list);
  set.views_ = stored.list.views;
  for (std::size_t first = 0; first < stored.list.rows.size(); first += set.views_.size()) {
    FileRow& row = stored.list.rows[first];
    set.labels_.push_back(row.label);
    set.contents_.push_back(row.content);
    set.files_.push_back(std::move(row.file));
  }
  const std::span<const float> values = stored.npy.floats();
  if (values.size_bytes() > memory_budget_bytes) {
    set.mapped_ = std::move(stored.npy);
  } else {
    set.held_.assign(values.begin(), values.end());
  }
  return set;
}

}  // namespace graft
