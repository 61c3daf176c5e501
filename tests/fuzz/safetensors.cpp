// safetensors files: parse_safetensors_header, SafetensorsFile, and the convolutions in one.

#include "engine/weights/safetensors.h"

#include "engine/weights/convolution_files.h"
#include "engine/weights/refuse.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/samples.h"
#include "tests/support/files.h"

GRAFT_FUZZ_TARGET(input) {
  using namespace graft;
  using namespace graft::fuzz;
  const auto header = accepted(ErrorKind::weights, [&] {
    return parse_safetensors_header("input", before_unreadable_memory(input));
  });
  if (!header) return 0;
  std::uint64_t end = 0;
  for (const SafetensorsEntry& entry : header->entries) {
    require(entry.data_offsets[0] == end && entry.data_offsets[1] >= end,
            "the tensors follow each other");
    end = entry.data_offsets[1];
  }
  require(header->data_start + end == input.size(), "the tensors fill the file");

  const std::filesystem::path path = file_with(input);
  const auto file = accepted(ErrorKind::weights, [&] { return SafetensorsFile(path); });
  if (!file) return 0;
  for (const TensorView& tensor : file->tensors())
    require(value_count(tensor.shape) == tensor.data.size(), "the values fill the shape");
  const std::filesystem::path copy = file_with("", "copy");
  write_safetensors(copy, file->tensors(), file->metadata());
  const SafetensorsFile again(copy);
  require(again.metadata() == file->metadata(), "metadata read back");
  require(again.tensors().size() == file->tensors().size(), "tensors read back");
  const std::string bytes = test::read_bytes(copy);
  write_safetensors(copy, again.tensors(), again.metadata());
  require(test::read_bytes(copy) == bytes, "a written file reads back");

  const auto layers = sample_layers();
  const auto found = accepted(ErrorKind::weights, [&] { return read_convolutions(path, layers); });
  if (found) require_convolutions(*found, layers);
  return 0;
}
