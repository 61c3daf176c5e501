// Checkpoints: load_checkpoint, on the input and on the input with the right digest.

#include "engine/head/checkpoint.h"

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/samples.h"
#include "tests/support/files.h"

namespace graft::fuzz {
namespace {

std::optional<Checkpoint> load(const std::filesystem::path& path) {
  std::string reason;
  auto checkpoint = load_checkpoint(path, sample_key, sample_shapes, reason);
  require(checkpoint.has_value() == reason.empty(), "a checkpoint or a reason");
  if (checkpoint) count_accepted();
  return checkpoint;
}

}  // namespace
}  // namespace graft::fuzz

GRAFT_FUZZ_TARGET(input) {
  using namespace graft;
  using namespace graft::fuzz;
  const std::filesystem::path path = file_with(input);
  load(path);
  const auto right = accepted(ErrorKind::weights, [&] { return with_right_digest(path); });
  if (!right) return 0;
  const auto checkpoint = load(*right);
  if (!checkpoint) return 0;
  const std::filesystem::path copy = file_with("", "copy");
  save_checkpoint(copy, sample_key, checkpoint->state, checkpoint->history);
  const std::string bytes = test::read_bytes(copy);
  const auto again = load(copy);
  require(again && again->history == checkpoint->history, "a written checkpoint reads back");
  save_checkpoint(copy, sample_key, again->state, again->history);
  require(test::read_bytes(copy) == bytes, "it has the same bytes again");
  return 0;
}
