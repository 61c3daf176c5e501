// safetensors files: Safetensors, and the convolutions in one.

#include "engine/weights/safetensors.h"

#include "engine/weights/convolution_files.h"
#include "engine/weights/refuse.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/samples.h"
#include "tests/support/files.h"

GRAFT_FUZZ_TARGET(input) {
  using namespace graft;
  using namespace graft::fuzz;
  const Bytes content = before_unreadable_memory(input);
  const auto file = accepted(ErrorKind::weights, [&] { return Safetensors("input", content); });
  if (!file) return 0;
  std::uint64_t end = 0;
  std::vector<std::vector<float>> values;
  std::vector<TensorView> tensors;
  for (const SafetensorsEntry& entry : file->entries()) {
    require(entry.data_offsets[0] == end && entry.data_offsets[1] >= end,
            "the tensors follow each other");
    end = entry.data_offsets[1];
    auto read = accepted(ErrorKind::weights, [&] { return file->values(entry); });
    if (!read) continue;
    require(value_count(entry.shape) == read->size(), "the values fill the shape");
    tensors.push_back({entry.name, entry.shape, values.emplace_back(std::move(*read))});
  }

  const std::filesystem::path copy = file_with("", "copy");
  write_safetensors(copy, tensors, file->metadata());
  const std::string bytes = test::read_bytes(copy);
  const Safetensors again(copy, as_bytes(bytes));
  require(again.metadata() == file->metadata(), "metadata read back");
  require(again.entries().size() == tensors.size(), "tensors read back");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto back = again.values(again.entries()[i]);
    require(std::ranges::equal(std::as_bytes(std::span(back)), std::as_bytes(tensors[i].data)),
            "values read back");
  }

  const auto layers = sample_layers();
  const std::filesystem::path path = file_with(input);
  const auto found = accepted(ErrorKind::weights, [&] { return read_convolutions(path, layers); });
  if (found) require_convolutions(*found, layers);
  return 0;
}
