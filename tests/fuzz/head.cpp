// Files of trained heads: load_head, on the input and on the input with the right digest.

#include "engine/head/trainer.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/samples.h"
#include "tests/support/files.h"

GRAFT_FUZZ_TARGET(input) {
  using namespace graft;
  using namespace graft::fuzz;
  const std::filesystem::path path = file_with(input);
  accepted(ErrorKind::weights, [&] { return load_head(path); });
  const auto head =
      accepted(ErrorKind::weights, [&] { return load_head(with_right_digest(path)); });
  if (!head) return 0;
  require(head->classes.size() >= 2, "a head has classes");
  require(head->parameters.front().inputs == head->features.count(), "it takes the features");
  const std::filesystem::path copy = file_with("", "copy");
  save_head(copy, *head);
  const std::string bytes = test::read_bytes(copy);
  save_head(copy, load_head(copy));
  require(test::read_bytes(copy) == bytes, "a written head reads back");
  return 0;
}
