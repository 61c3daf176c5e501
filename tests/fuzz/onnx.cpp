// ONNX files: the convolutions of a small VGG16, and the summary.

#include "engine/weights/convolution_files.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/samples.h"

GRAFT_FUZZ_TARGET(input) {
  using namespace graft;
  using namespace graft::fuzz;
  const std::filesystem::path path = file_with(input);
  const auto summary = accepted(ErrorKind::weights, [&] { return describe_onnx_file(path); });
  const auto layers = sample_layers();
  const auto found =
      accepted(ErrorKind::weights, [&] { return read_onnx_convolutions(path, layers); });
  if (!found) return 0;
  require(summary.has_value(), "what holds convolutions has a summary");
  require_convolutions(*found, layers);
  return 0;
}
