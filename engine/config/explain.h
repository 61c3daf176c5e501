#pragma once
// The table of keys as text.

#include <string>

namespace graft {

// All keys, or one key or section. Throws Error(usage) with a suggestion when there is no such key.
std::string explain_for_terminal(const std::string& key_or_section);
// configs/README.md.
std::string explain_as_markdown();

}  // namespace graft
