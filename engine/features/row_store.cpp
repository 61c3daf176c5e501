#include "engine/features/row_store.h"

#include <utility>

namespace graft {

void RowStore::add(MappedFile file, const RowLayout& layout, std::span<const RowEntry> entries) {
  files_.push_back(std::move(file));
  const std::span<const std::byte> bytes = files_.back().bytes();
  std::size_t row = 0;
  for (const RowEntry& entry : entries) {
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

std::optional<RowStore::Row> RowStore::find(const Digest& content) const {
  const auto found = rows_.find(content);
  if (found == rows_.end() || digest_of(found->second.bytes) != found->second.check) {
    return std::nullopt;
  }
  return found->second;
}

const std::string* RowStore::bad_reason(const Digest& content) const {
  const auto found = bad_.find(content);
  return found == bad_.end() ? nullptr : &found->second;
}

std::vector<SampleAction> choose_actions(const Dataset& dataset, std::size_t first,
                                         const RowStore& store, OnBadImage on_bad_image) {
  std::vector<SampleAction> actions(dataset.samples.size());
  for (std::size_t i = first; i < actions.size(); ++i) {
    const Digest& content = dataset.samples[i].content;
    if (const auto row = store.find(content)) {
      actions[i] = {SampleAction::Kind::copy, *row, {}};
    } else if (const std::string* reason = store.bad_reason(content);
               reason != nullptr && on_bad_image == OnBadImage::skip) {
      actions[i] = {SampleAction::Kind::skip, {}, *reason};
    }
  }
  return actions;
}

}  // namespace graft
