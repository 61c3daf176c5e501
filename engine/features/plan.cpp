#include "engine/features/plan.h"

#include <unordered_set>
#include <utility>

namespace graft {

void KnownRows::add(StoredSet stored) {
  stored_.push_back(std::move(stored));
  const StoredSet& set = stored_.back();
  for (std::size_t i = 0; i < set.list.rows.size(); ++i) {
    rows_.try_emplace(set.list.rows[i].content, Row{set.row(i), set.list.rows[i].check});
  }
  for (const SkippedFile& skipped : set.list.skipped) {
    if (skipped.content) bad_.try_emplace(*skipped.content, skipped.reason);
  }
}

void KnownRows::add(MappedFile rows, const RowLayout& layout, const JournalContents& contents) {
  mapped_.push_back(std::move(rows));
  const std::span<const std::byte> bytes = mapped_.back().bytes();
  std::size_t row = 0;
  for (const JournalEntry& entry : contents.entries) {
    if (entry.bad_reason) {
      bad_.try_emplace(entry.content, *entry.bad_reason);
      continue;
    }
    if (layout.end_of(row + 1) > bytes.size()) break;
    rows_.try_emplace(entry.content,
                      Row{bytes.subspan(layout.end_of(row), layout.row_bytes), entry.check});
    ++row;
  }
}

std::optional<KnownRows::Row> KnownRows::find(const Digest& content) const {
  const auto found = rows_.find(content);
  if (found == rows_.end() || digest_of(found->second.bytes) != found->second.check) {
    return std::nullopt;
  }
  return found->second;
}

const std::string* KnownRows::bad_reason(const Digest& content) const {
  const auto found = bad_.find(content);
  return found == bad_.end() ? nullptr : &found->second;
}

std::vector<PlannedSample> plan_samples(const Dataset& dataset, std::size_t first,
                                        const KnownRows& known, OnBadImage on_bad_image) {
  std::vector<PlannedSample> plan(dataset.samples.size());
  if (known.empty()) return plan;
  for (std::size_t i = first; i < plan.size(); ++i) {
    const Digest& content = dataset.samples[i].content;
    if (const auto row = known.find(content)) {
      plan[i].action = PlannedSample::Action::copy;
      plan[i].row = *row;
    } else if (const std::string* reason = known.bad_reason(content);
               reason != nullptr && on_bad_image == OnBadImage::skip) {
      plan[i].action = PlannedSample::Action::leave_out;
      plan[i].reason = *reason;
    }
  }
  return plan;
}

Digest plan_fingerprint(const Dataset& dataset, const FeatureKey& key, OnBadImage on_bad_image) {
  Digester digester;
  digester.add(key.fingerprint().hex());
  digester.add(name_of(on_bad_image));
  for (const Sample& sample : dataset.samples) digester.add(sample.content.hex());
  return digester.digest();
}

void salvage_rows(const SetPaths& paths, const RowLayout& layout, const JournalContents& journal,
                  const Dataset& dataset) {
  if (!std::filesystem::exists(paths.partial)) return;
  std::unordered_set<std::string> wanted;
  for (const Sample& sample : dataset.samples) wanted.insert(sample.content.hex());

  const RowLayout pool{0, layout.row_bytes};
  const auto earlier = read_journal(paths.salvage_journal);
  const bool goes_on = earlier && earlier->key == journal.key;
  const std::size_t kept = goes_on ? usable_entries(paths.salvage, pool, *earlier) : 0;
  for (std::size_t i = 0; i < kept; ++i) wanted.erase(earlier->entries[i].content.hex());

  RowLog log =
      kept > 0 ? RowLog::resume(paths.salvage, paths.salvage_journal, pool, *earlier, kept)
               : RowLog::create(paths.salvage, paths.salvage_journal, pool, "", 0, {}, journal.key);
  KnownRows interrupted;
  interrupted.add(MappedFile(paths.partial), layout, journal);
  for (const JournalEntry& entry : journal.entries) {
    if (wanted.erase(entry.content.hex()) == 0) continue;
    if (entry.bad_reason) {
      log.add_bad(entry.content, *entry.bad_reason);
    } else if (const auto row = interrupted.find(entry.content)) {
      log.add_row(entry.content, row->bytes, row->check);
    }
  }
  log.flush();
  remove_file(paths.journal);
  remove_file(paths.partial);
}

}  // namespace graft
