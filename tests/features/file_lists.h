#pragma once
// Lists of files as texts.

#include <string>
#include <string_view>

#include "engine/features/set_files.h"

namespace graft::test {

inline std::string file_list_json(const FileList& list) {
  std::string json;
  write_file_list(list, [&](std::string_view piece) { json += piece; });
  return json;
}

}  // namespace graft::test
