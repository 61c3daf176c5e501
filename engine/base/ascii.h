#pragma once
// ASCII letters.

#include <string>
#include <string_view>

namespace graft {

// With a to z for A to Z; other characters stay.
inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& letter : lower)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return lower;
}

}  // namespace graft
