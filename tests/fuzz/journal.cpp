// Journals of extractions: read_journal and usable_entries. The digests of the lines are put right
// first.

#include <algorithm>

#include "engine/features/row_log.h"
#include "tests/fuzz/fuzz.h"

namespace graft::fuzz {
namespace {

constexpr std::size_t digest_digits = 32;

std::string with_right_digests(std::string text) {
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    if (line.size() <= digest_digits) continue;
    text.replace(begin, digest_digits, digest_of(line.substr(digest_digits + 1)).hex());
  }
  return text;
}

bool same(const RowEntry& a, const RowEntry& b) {
  const auto reason = [](const RowEntry& one) { return one.bad_reason ? *one.bad_reason : ""; };
  return a.digest == b.digest && a.check == b.check && reason(a) == reason(b);
}

}  // namespace
}  // namespace graft::fuzz

GRAFT_FUZZ_TARGET(input) {
  using namespace graft;
  using namespace graft::fuzz;
  const std::string text = with_right_digests(std::string(text_of(input)));
  const auto journal = read_journal(file_with(text, "journal"));
  if (!journal) return 0;
  count_accepted();
  require(journal->entries.size() == journal->entry_ends.size(), "each entry has an end");
  require(std::ranges::is_sorted(journal->entry_ends), "ends ascend");
  require(journal->start_end <= text.size() &&
              (journal->entries.empty() || (journal->entry_ends.front() > journal->start_end &&
                                            journal->entry_ends.back() <= text.size())),
          "entries are in the file, behind the first line");
  // Rows of 4 zero bytes: those whose check is right can be continued.
  const std::size_t usable =
      usable_entries(file_with(std::string(64, '\0'), "rows"), {16, 4}, *journal);
  require(usable <= journal->entries.size(), "only entries can be continued");

  // A kill while a line is written loses that line and no other.
  const std::size_t cut = text.size() - text.size() / 3;
  const auto torn = read_journal(file_with(text.substr(0, cut), "journal"));
  require(torn.has_value() == (journal->start_end <= cut), "a torn journal has its first line");
  if (!torn) return 0;
  const auto kept =
      std::ranges::count_if(journal->entry_ends, [&](auto end) { return end <= cut; });
  require(std::ranges::equal(torn->entries, std::span(journal->entries).first(kept), same),
          "a torn journal has the entries of its complete lines");
  require(torn->key == journal->key, "and the key");
  return 0;
}
