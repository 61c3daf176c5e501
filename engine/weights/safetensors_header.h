#pragma once
// The JSON header of a safetensors file, parsed as a stream: no tree is built, nesting is bounded
// by what the format allows, duplicate keys and anything unexpected end the parse at once.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/weights/safetensors.h"

namespace graft {

inline constexpr std::uint64_t safetensors_header_limit = 100'000'000;
inline constexpr std::size_t safetensors_length_bytes = 8;

struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // "F32", "BF16", …
  std::vector<std::size_t> shape;
  std::array<std::uint64_t, 2> data_offsets = {};  // from the end of the header: begin, end
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in order of their offsets
  Metadata metadata;
  std::size_t data_start = 0;  // bytes before the first tensor
};

// Checks lengths, offsets (no hole, no overlap, to the file's end) and each shape against its
// bytes. Any dtype of the format passes. `path` is for the sentences. Throws Error(weights).
SafetensorsHeader parse_safetensors_header(const std::filesystem::path& path,
                                           std::span<const std::byte> file);

// The eight length bytes and the header, space-padded to a multiple of 8. Tensors stand in the
// order given. Throws Error(usage) for a name that cannot be written or values that do not fill the
// shape.
std::string safetensors_header_bytes(std::span<const TensorView> tensors, const Metadata& metadata);

}  // namespace graft
