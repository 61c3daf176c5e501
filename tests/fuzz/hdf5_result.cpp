// What graft-hdf5 sends for an HDF5 file: the convolutions as safetensors, or a summary as JSON. Each
// input is taken as both.

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/samples.h"

GRAFT_FUZZ_TARGET(input) {
  using namespace graft;
  using namespace graft::fuzz;
  const auto layers = sample_layers();
  const auto found = accepted(ErrorKind::weights, [&] {
    return read_safetensors_convolutions({"input.h5", before_unreadable_memory(input)}, layers);
  });
  if (found) require_convolutions(*found, layers);
  const auto summary =
      accepted(ErrorKind::weights, [&] { return parse_hdf5_summary("input.h5", text_of(input)); });
  if (summary) require(!summary->format.empty(), "a summary has a format");
  return 0;
}
