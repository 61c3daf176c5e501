#pragma once
// Options that hold several values, as the command line writes lists: "1,8,32", "150,224x320".

#include <string>
#include <string_view>

namespace graft::program {

// The list as JSON: numbers as they are, 224x320 as [224, 320], anything else as a string.
std::string as_json_list(std::string_view values);

}  // namespace graft::program
