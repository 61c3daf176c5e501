#pragma once
// safetensors: u64-LE header length, JSON header, then the tensors' bytes. Only F32 is read here.
// Reading checks every size against the file before anything is taken: no holes, no overlap, no
// duplicate names, header at most 100,000,000 bytes.

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
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

// A file mapped for reading; the views stay good as long as the object lives.
class SafetensorsFile {
 public:
  // Throws Error(weights) that names the file for anything malformed.
  explicit SafetensorsFile(const std::filesystem::path& path);
  const std::vector<TensorView>& tensors() const { return tensors_; }  // in order of their offsets
  const TensorView& tensor(const std::string& name) const;             // throws Error(weights)
  const TensorView* find(const std::string& name) const;               // null when absent
  const Metadata& metadata() const { return metadata_; }

 private:
  MappedFile file_;
  std::vector<float> aligned_;  // the values, where the file has them at no multiple of four bytes
  std::vector<TensorView> tensors_;
  Metadata metadata_;
};

// Writes beside, syncs, renames. Tensors stand in the order given; the same input gives the same
// bytes.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                       const Metadata& metadata);

}  // namespace graft
