#pragma once
// safetensors files: header length as little-endian u64, JSON header, the tensors' bytes. Every size
// is checked against the file before memory is taken: no holes, no overlap, no duplicate names.
// Source: https://github.com/huggingface/safetensors#format

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/file.h"

namespace graft {

// A named tensor of floats, row-major. The view borrows; `data` has product(shape) values.
struct TensorView {
  std::string name;
  std::vector<std::size_t> shape;
  std::span<const float> data;
};

using Metadata = std::map<std::string, std::string>;

// VGG16's header has 3 kB, that of a head with 1,000 classes 30 kB, and that of a checkpoint after
// 100,000 epochs 9 MB. The format allows 100 MB. The number of values is bounded too: reading takes at
// most about twelve times the header's bytes.
inline constexpr std::uint64_t safetensors_header_limit = std::uint64_t{16} << 20U;
inline constexpr std::size_t safetensors_length_bytes = 8;

struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // "F32", "BF16", …
  std::vector<std::size_t> shape;
  std::array<std::uint64_t, 2> data_offsets = {};  // from the end of the header: begin, end
};

// The content of a file. Borrows it.
class Safetensors {
 public:
  // Checks lengths, offsets (no hole, no overlap, to the file's end) and each shape against its bytes.
  // Any dtype of the format passes. `path` is for messages. Throws Error(weights).
  Safetensors(const std::filesystem::path& path, std::span<const std::byte> content);

  const std::filesystem::path& path() const { return path_; }
  // In the order of their offsets.
  const std::vector<SafetensorsEntry>& entries() const { return entries_; }
  const SafetensorsEntry* find(std::string_view name) const;  // null when absent
  const Metadata& metadata() const { return metadata_; }
  std::span<const std::byte> bytes(const SafetensorsEntry& entry) const;
  // Converts F16 and BF16. Throws Error(weights) for a dtype other than these and F32.
  std::vector<float> values(const SafetensorsEntry& entry) const;

 private:
  std::filesystem::path path_;
  std::vector<SafetensorsEntry> entries_;
  Metadata metadata_;
  std::span<const std::byte> data_;  // of all tensors
};

// The bytes before the tensors: the header's length, and the header padded to a multiple of 8. Throws
// Error(usage) for a name that is taken twice or reserved, and for values that do not fill their shape.
std::string safetensors_header(std::span<const TensorView> tensors, const Metadata& metadata);

// Writes a partial file, syncs, renames. Tensors are in the given order; the same input gives the
// same bytes. Throws what safetensors_header() throws.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                       const Metadata& metadata);

}  // namespace graft
