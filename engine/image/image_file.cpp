#include "engine/image/image_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "engine/base/file.h"
#include "engine/base/text.h"
#include "engine/image/formats.h"
#include "engine/image/image.h"

namespace graft {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t mib = std::uint64_t{1} << 20;

// Opening a pipe would wait for ever, so the kind of file comes first.
void check_is_regular_file(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_regular_file(status)) return;
  if (path.empty()) throw Error(ErrorKind::io, "the path is empty");
  std::string reason = "it is not a regular file";
  if (status.type() == fs::file_type::not_found) {
    std::error_code ignored;
    reason = fs::is_symlink(fs::symlink_status(path, ignored))
                 ? "it is a link to nothing; remove it, or bring back what it points to"
                 : "there is no such file";
  } else if (error) {
    reason = error.message();
  }
  throw Error(ErrorKind::io, "cannot read {}: {}", shown(path), reason);
}

void check_fits(std::uint64_t bytes, const MemoryBudget& budget) {
  if (bytes <= budget.limit()) return;
  image::refuse(
      "it needs {} MiB of memory, and pipeline.decode_memory_mib allows {}; raise that, or make "
      "the image smaller",
      (bytes + mib - 1) / mib, budget.limit() / mib);
}

// Waits for `reserved` bytes and reads the file. Returns nothing, with `reserved` raised, when
// decoding takes more than is free: then all is returned before waiting again, so that threads do
// not wait for each other's part.
std::optional<ImageFile> try_read(const File& file, std::uint64_t size, const DataConfig& data,
                                  ImageUse use, MemoryBudget& budget, const std::stop_token& stop,
                                  std::uint64_t& reserved) {
  ImageFile image{budget.reserve(reserved, stop), std::vector<std::byte>(size)};
  file.read_at(0, image.bytes);
  const DecodingCost cost = with_resizing(inspect_image(image.bytes), data.resize, data.image_size);
  if (cost.work > maximum_work) image::refuse("resizing it would take too long");
  const std::uint64_t needed = image.decoding_memory = size + cost.bytes;
  check_fits(needed, budget);
  if (image.memory.try_resize(use == ImageUse::check ? size : needed)) return image;
  reserved = std::max(reserved, needed);
  return std::nullopt;
}

}  // namespace

MemoryBudget decoding_budget(const DataConfig& data) {
  return MemoryBudget(data.decode_memory_mib * mib);
}

ImageFile read_image_file(const fs::path& path, const DataConfig& data, ImageUse use,
                          MemoryBudget& budget, const std::stop_token& stop) {
  try {
    check_is_regular_file(path);
    const File file(path, File::Mode::read);
    const std::uint64_t size = file.size();
    std::array<std::byte, 512> buffer;
    const std::span start = std::span(buffer).first(std::min<std::uint64_t>(size, buffer.size()));
    file.read_at(0, start);
    check_first_bytes(start, size);
    std::uint64_t reserved = 2 * size;  // inspect_image takes as much again
    check_fits(reserved, budget);
    while (true) {
      std::optional<ImageFile> image = try_read(file, size, data, use, budget, stop, reserved);
      if (image) return *std::move(image);
    }
  } catch (const std::bad_alloc&) {
    throw memory_ran_out(path);
  }
}

Error memory_ran_out(const fs::path& path) {
  return {
      ErrorKind::device,
      fmt::format("memory ran out while {} was read; lower pipeline.decode_memory_mib or threads",
                  shown(path))};
}

}  // namespace graft
