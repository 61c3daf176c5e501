#pragma once
// Fills a template with values, in a part of the language Mustache (mustache.github.io):
//   {{name}}             the value, escaped for text and attributes of HTML and XML
//   {{{name}}}           the value as it is
//   {{#name}}…{{/name}}  for each element of an array; once for another value; never for an empty
//                        array, "", false and null
//   {{^name}}…{{/name}}  once where {{#name}} is never
// Names are searched from the innermost object outwards. A number with a fraction has four decimals,
// null is "-".

#include <string>
#include <string_view>

#include "engine/base/json.h"

namespace graft {

// Throws std::logic_error for a name without a value and a section without an end.
std::string fill(std::string_view text, const Json& values);

// The text inside of the first {{#name}}…{{/name}}.
std::string_view section_of(std::string_view text, std::string_view name);

}  // namespace graft
