#pragma once
// Small things with text that messages need: what a misspelt word was meant to be, and text from
// outside made fit for one line of a terminal.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace graft::program {

// Fewest insertions, deletions, replacements and swaps of neighbours that make b of a.
// Source: the optimal string alignment distance (Damerau 1964, with the restriction of Boytsov
// 2011).
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to `word`, when it is near enough to be what was meant: at most one edit
// for each three characters of `word`, and at least one.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

// Control characters become '?', and what is longer than `limit` bytes is cut and ends in "...".
std::string printable(std::string_view text, std::size_t limit);

// `from` must not be empty.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

}  // namespace graft::program
