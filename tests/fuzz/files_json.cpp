// NAME.files.json: parse_file_list, on the input and on the input with the right digest at its end.

#include "engine/features/set_files.h"
#include "tests/features/file_lists.h"
#include "tests/fuzz/fuzz.h"

namespace graft::fuzz {
namespace {

std::string with_right_digest(std::string_view text) {
  const std::size_t digest = std::string_view("\"\n}\n").size() + 32;
  if (text.size() < digest + 13) return std::string(text);
  const std::string_view body = text.substr(0, text.size() - digest - 13);
  return std::string(body) + ",\n\"digest\": \"" + digest_of(body).hex() + "\"\n}\n";
}

void parse(const std::string& text) {
  const auto list = accepted(ErrorKind::data, [&] { return parse_file_list(text, "files.json"); });
  if (!list) return;
  for (const FileRow& row : list->rows)
    require(row.label < list->classes.size(), "a label is of a class");
  require(!list->views.empty() && list->rows.size() % list->views.size() == 0,
          "photos have all views");
  require(parse_file_list(test::file_list_json(*list), "files.json") == *list, "a list reads back");
}

}  // namespace
}  // namespace graft::fuzz

GRAFT_FUZZ_TARGET(input) {
  graft::fuzz::parse(std::string(graft::fuzz::text_of(input)));
  graft::fuzz::parse(graft::fuzz::with_right_digest(graft::fuzz::text_of(input)));
  return 0;
}
