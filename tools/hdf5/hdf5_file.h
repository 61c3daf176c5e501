#pragma once
// HDF5 files from untrusted sources, in memory. Only hard links are followed. A dataset is read only
// when its values are in this file, plain or through the two built-in filters (deflate, shuffle).
// Plugins are never loaded. The library prints no errors from the first file on; its reason becomes part
// of the message. Not for two threads at once: Debian's HDF5 has no locks.
// Every member throws Error(weights), and std::bad_alloc when memory ran out in the library.

#include <hdf5.h>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace graft {

// Owns an HDF5 identifier of any kind.
class Hdf5Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Hdf5Handle() = default;
  Hdf5Handle(hid_t id, Close close) : id_(id), close_(close) {}
  ~Hdf5Handle() {
    if (id_ >= 0) close_(id_);
  }
  Hdf5Handle(const Hdf5Handle&) = delete;
  Hdf5Handle& operator=(const Hdf5Handle&) = delete;
  Hdf5Handle(Hdf5Handle&& other) noexcept
      : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }

 private:
  hid_t id_ = -1;
  Close close_ = nullptr;
};

class Hdf5File {
 public:
  // `image` is the content, which must outlive the object; `path` is for messages.
  Hdf5File(const std::filesystem::path& path, std::span<const std::byte> image);

  const std::filesystem::path& path() const { return path_; }

  // `where` is a path from the root, "layers/conv2d/vars"; "" is the root itself. Every member
  // refuses a soft or external link on the way with Error(weights).
  bool has_group(const std::string& where) const;
  bool has_dataset(const std::string& where) const;
  std::vector<std::string> children(const std::string& where) const;  // hard links, by name

  // The strings of a group's attribute, or nothing without the attribute. h5py writes the names of layers
  // and weights with variable length. These, and the versions, are the only such values that are read.
  std::optional<std::vector<std::string>> strings(const std::string& where,
                                                  const std::string& attribute) const;

  std::vector<std::size_t> shape(const std::string& dataset) const;
  // The values as float32. Checks type, storage and shape before memory is taken.
  std::vector<float> floats(const std::string& dataset,
                            std::span<const std::size_t> expected) const;

 private:
  Hdf5Handle open(const std::string& where) const;  // empty when it does not exist
  Hdf5Handle open_group(const std::string& where) const;
  Hdf5Handle open_dataset(const std::string& where) const;
  bool has_all_chunks(const std::string& where, hid_t dataset, hid_t settings) const;
  void check_storage(const std::string& where, hid_t dataset, std::size_t bytes) const;

  std::filesystem::path path_;
  Hdf5Handle file_;
};

}  // namespace graft
