#pragma once
// Writes HDF5 files for the tests with the library's C API: what Keras writes, and what it never
// would.

#include <hdf5.h>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "tests/weights/small_vgg16.h"

namespace graft::test {

class Hdf5Writer {
 public:
  explicit Hdf5Writer(const std::filesystem::path& path);
  ~Hdf5Writer();
  Hdf5Writer(const Hdf5Writer&) = delete;
  Hdf5Writer& operator=(const Hdf5Writer&) = delete;

  void group(const std::string& where);
  // Parents are made as needed. `settings` is a dataset creation property list, taken over.
  void floats(const std::string& where, std::span<const std::size_t> shape,
              std::span<const float> values, hid_t settings = H5P_DEFAULT);
  void dataset(const std::string& where, std::span<const std::size_t> shape, hid_t type,
               const void* values, hid_t settings = H5P_DEFAULT);
  // A dataset of one chunk of floats, whose bytes are stored as they are. Takes `settings` over.
  void chunk(const std::string& where, std::span<const std::size_t> shape, hid_t settings,
             const std::string& bytes);
  // As h5py writes a list of bytes (fixed length) or of str (variable length).
  void names(const std::string& where, const std::string& attribute,
             const std::vector<std::string>& values, bool variable_length = false);
  // As NumPy's array of an empty list: no value, of type float64.
  void no_names(const std::string& where, const std::string& attribute);
  void number(const std::string& where, const std::string& attribute, int value);
  void soft_link(const std::string& target, const std::string& where);
  void external_link(const std::string& file, const std::string& target, const std::string& where);

 private:
  hid_t file_;
  hid_t parents_;
};

struct Keras2Options {
  std::string root = {};         // "model_weights" for model.save()
  bool variable_length = false;  // of the names
  bool nested = false;           // all convolutions in one layer: a model within a model
  std::string before_last = {};  // one more layer with a vector, before the last convolution
};
// Groups are named so that their alphabetical order is not the order of the layers.
void write_keras2(const std::filesystem::path& path, std::span<const Vgg16Layer> layers,
                  const Convolutions& weights, const Keras2Options& options = {});
// The name of the group of a layer, and of its kernel within the file.
std::string keras2_group(std::size_t layer);
std::string keras2_kernel(std::size_t layer);

void write_keras3(const std::filesystem::path& path, std::span<const Vgg16Layer> layers,
                  const Convolutions& weights, const std::string& root = "layers");

}  // namespace graft::test
