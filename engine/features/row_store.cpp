#include "engine/features/row_store.h"

#include <utility>

namespace graft {

void RowStore::add(MappedFile file, const RowLayout& layout, std::span<const RowEntry> entries) {
  files_.push_back(std::move(file));
  const std::span<const std::byte> bytes = files_.back().bytes();
  std::size_t row = 0;
  for (const RowEntry& entry : entries) {
    if (entry.bad_reason) {
      bad_.try_emplace(entry.digest, *entry.bad_reason);
      continue;
    }
    if (layout.end_of(row + 1) > bytes.size()) break;
    rows_.try_emplace(entry.digest,
                      Row{bytes.subspan(layout.end_of(row), layout.row_bytes), entry.check});
    ++row;
  }
}

std::optional<RowStore::Row> RowStore::find(const Digest& digest) const {
  const auto found = rows_.find(digest);
  if (found == rows_.end() || digest_of(found->second.bytes) != found->second.check)
    return std::nullopt;
  return found->second;
}

const std::string* RowStore::bad_reason(const Digest& content) const {
  const auto found = bad_.find(content);
  return found == bad_.end() ? nullptr : &found->second;
}

}  // namespace graft
