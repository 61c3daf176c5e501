#pragma once
// Predictions as text: CSV (RFC 4180 quoting, lines end in \n) or one JSON object a line.

#include <string>
#include <string_view>
#include <vector>

#include "engine/job/job.h"

namespace graft::program {

// A field of CSV: in quotes when it holds a comma, a quote, a line break or outer blanks.
std::string csv_field(std::string_view text);

// "path,label,cats,dogs\n"
std::string csv_header(const std::vector<std::string>& classes);
// "photos/1.jpg,cats,0.75,0.25\n"; numbers have the fewest digits that read back as the same float.
std::string csv_row(const Prediction& prediction);
// {"path": "photos/1.jpg", "label": "cats", "probabilities": {"cats": 0.75, "dogs": 0.25}}\n
// Bytes of a path that are not UTF-8 become U+FFFD there: JSON has no way to say them.
std::string json_line(const std::vector<std::string>& classes, const Prediction& prediction);

}  // namespace graft::program
