#pragma once
// Fills a template in the language Mustache (mustache.github.io) with values, by kainjow's library.
// A number with a fraction has four decimals; null is false. All text is escaped for text and
// attributes of HTML and XML: control characters become '?', bytes that are not UTF-8 become \xNN.

#include <string>
#include <string_view>

#include "engine/base/json.h"

namespace graft {

// Throws std::logic_error for a name without a value and a section without an end.
std::string fill(std::string_view text, const Json& values);

}  // namespace graft
