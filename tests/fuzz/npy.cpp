// .npy files: parse_npy_header and NpyFile.

#include "engine/features/npy.h"

#include "tests/fuzz/fuzz.h"

GRAFT_FUZZ_TARGET(input) {
  using namespace graft;
  using namespace graft::fuzz;
  const auto header =
      accepted(ErrorKind::data, [&] { return parse_npy_header(before_unreadable_memory(input)); });
  if (!header) return 0;
  require(header->data_offset <= input.size(), "the header is in the file");
  const std::string text = npy_header(header->descr, header->shape);
  const NpyHeader again = parse_npy_header(std::as_bytes(std::span(text)));
  require(again.descr == header->descr && again.shape == header->shape, "a header reads back");
  require(again.data_offset == text.size(), "a written header ends where the values begin");

  const auto file = accepted(ErrorKind::data, [&] { return NpyFile(file_with(input)); });
  if (!file) return 0;
  std::size_t count = 1;
  for (const std::size_t extent : header->shape) count *= extent;
  const bool is_float = header->descr == "<f4";
  const std::size_t found = is_float ? file->floats().size() : file->labels().size();
  require(found == count, "the values fill the shape");
  require(header->data_offset + 4 * count == input.size(), "the values fill the file");
  return 0;
}
