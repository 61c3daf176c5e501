#pragma once
// NumPy's .npy files of version 1.0, as numpy.save writes them: '<f4' (features) and '<u4'
// (labels), C order. Sizes are checked against the file before they are used.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/base/file.h"

namespace graft {

struct NpyHeader {
  std::string descr;               // "<f4"
  std::vector<std::size_t> shape;  // row-major
  std::size_t data_offset = 0;     // bytes before the first value
};

// The header's bytes; their length is divisible by 64.
std::string npy_header(const std::string& descr, std::span<const std::size_t> shape);
// Throws Error(data) without a path for anything but a header that numpy.save writes.
NpyHeader parse_npy_header(std::span<const std::byte> start_of_file);

// A mapped .npy file. Throws Error(data) that names the file when its header, type or size is
// wrong.
class NpyFile {
 public:
  explicit NpyFile(const std::filesystem::path& path);
  const NpyHeader& header() const { return header_; }
  std::span<const float> floats() const;          // throws unless descr is <f4
  std::span<const std::uint32_t> labels() const;  // throws unless descr is <u4

 private:
  template <typename Value>
  std::span<const Value> values(const char* descr) const;

  MappedFile file_;
  NpyHeader header_;
};

// Written beside, synced and renamed.
void write_npy(const std::filesystem::path& path, std::span<const std::uint32_t> values);
void write_npy(const std::filesystem::path& path, std::span<const float> values,
               std::span<const std::size_t> shape);

}  // namespace graft
