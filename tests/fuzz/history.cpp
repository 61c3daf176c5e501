// history.json: parse_history_json.

#include "engine/head/history.h"

#include "tests/fuzz/fuzz.h"

GRAFT_FUZZ_TARGET(input) {
  using namespace graft;
  using namespace graft::fuzz;
  const auto history =
      accepted(ErrorKind::data, [&] { return parse_history_json(text_of(input)); });
  if (history)
    require(parse_history_json(history_json(*history)) == *history, "a history reads back");
  return 0;
}
