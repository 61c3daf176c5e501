#pragma once
// Reads NumPy's .npz (a zip, stored or deflated) for tests against reference numbers.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace graft::test {

struct NpzArray {
  std::string descr;  // "<f4", "|u1", "<f8", "<U16"
  std::vector<std::size_t> shape;
  std::vector<std::byte> bytes;

  std::size_t count() const;
  std::vector<float> floats() const;           // of <f4 or <f8
  std::vector<double> doubles() const;         // of <f4 or <f8
  std::vector<std::uint8_t> bytes_u8() const;  // of |u1
  std::vector<std::string> strings() const;    // of <U…, as UTF-8
};

// Name (without .npy) → array. Throws std::runtime_error.
std::map<std::string, NpzArray> read_npz(const std::filesystem::path& path);

}  // namespace graft::test
