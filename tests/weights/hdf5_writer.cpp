#include "tests/weights/hdf5_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace graft::test {
namespace {

hid_t checked(hid_t id) {
  if (id < 0) throw std::runtime_error("the HDF5 library refused what the test asked for");
  return id;
}

std::string join(const std::string& group, const std::string& name) {
  return group.empty() ? name : fmt::format("{}/{}", group, name);
}

}  // namespace

Hdf5Writer::Hdf5Writer(const std::filesystem::path& path)
    : file_(checked(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT))),
      parents_(checked(H5Pcreate(H5P_LINK_CREATE))) {
  H5Pset_create_intermediate_group(parents_, 1);
}

Hdf5Writer::~Hdf5Writer() {
  H5Pclose(parents_);
  H5Fclose(file_);
}

void Hdf5Writer::group(const std::string& where) {
  H5Gclose(checked(H5Gcreate2(file_, where.c_str(), parents_, H5P_DEFAULT, H5P_DEFAULT)));
}

void Hdf5Writer::dataset(const std::string& where, std::span<const std::size_t> shape, hid_t type,
                         const void* values, hid_t settings) {
  const std::vector<hsize_t> extents(shape.begin(), shape.end());
  const hid_t space =
      checked(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr));
  const hid_t dataset =
      checked(H5Dcreate2(file_, where.c_str(), type, space, parents_, settings, H5P_DEFAULT));
  if (values != nullptr) checked(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values));
  H5Dclose(dataset);
  H5Sclose(space);
  if (settings != H5P_DEFAULT) H5Pclose(settings);
}

void Hdf5Writer::floats(const std::string& where, std::span<const std::size_t> shape,
                        std::span<const float> values, hid_t settings) {
  dataset(where, shape, H5T_IEEE_F32LE, values.data(), settings);
}

void Hdf5Writer::chunk(const std::string& where, std::span<const std::size_t> shape, hid_t settings,
                       const std::string& bytes) {
  dataset(where, shape, H5T_IEEE_F32LE, nullptr, settings);
  const hid_t dataset = checked(H5Dopen2(file_, where.c_str(), H5P_DEFAULT));
  const std::vector<hsize_t> first(shape.size(), 0);
  checked(H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, first.data(), bytes.size(), bytes.data()));
  H5Dclose(dataset);
}

void Hdf5Writer::names(const std::string& where, const std::string& attribute,
                       const std::vector<std::string>& values, bool variable_length) {
  std::size_t longest = 1;
  for (const std::string& value : values) longest = std::max(longest, value.size());
  const hid_t type = checked(H5Tcopy(H5T_C_S1));
  H5Tset_size(type, variable_length ? H5T_VARIABLE : longest);
  H5Tset_strpad(type, H5T_STR_NULLPAD);
  if (variable_length) H5Tset_cset(type, H5T_CSET_UTF8);
  const hsize_t count = values.size();
  const hid_t space = checked(H5Screate_simple(1, &count, nullptr));
  const hid_t object = checked(H5Oopen(file_, where.empty() ? "/" : where.c_str(), H5P_DEFAULT));
  const hid_t created =
      checked(H5Acreate2(object, attribute.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT));
  if (variable_length) {
    std::vector<const char*> pointers;
    pointers.reserve(values.size());
    for (const std::string& value : values) pointers.push_back(value.c_str());
    checked(H5Awrite(created, type, pointers.data()));
  } else {
    std::string bytes;
    for (std::string value : values) {
      value.resize(longest);
      bytes += value;
    }
    checked(H5Awrite(created, type, bytes.data()));
  }
  H5Aclose(created);
  H5Oclose(object);
  H5Sclose(space);
  H5Tclose(type);
}

void Hdf5Writer::no_names(const std::string& where, const std::string& attribute) {
  const hsize_t count = 0;
  const hid_t space = checked(H5Screate_simple(1, &count, nullptr));
  const hid_t object = checked(H5Oopen(file_, where.empty() ? "/" : where.c_str(), H5P_DEFAULT));
  H5Aclose(checked(
      H5Acreate2(object, attribute.c_str(), H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT)));
  H5Oclose(object);
  H5Sclose(space);
}

void Hdf5Writer::number(const std::string& where, const std::string& attribute, int value) {
  const hid_t space = checked(H5Screate(H5S_SCALAR));
  const hid_t object = checked(H5Oopen(file_, where.empty() ? "/" : where.c_str(), H5P_DEFAULT));
  const hid_t created = checked(
      H5Acreate2(object, attribute.c_str(), H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT));
  checked(H5Awrite(created, H5T_NATIVE_INT, &value));
  H5Aclose(created);
  H5Oclose(object);
  H5Sclose(space);
}

void Hdf5Writer::soft_link(const std::string& target, const std::string& where) {
  checked(H5Lcreate_soft(target.c_str(), file_, where.c_str(), parents_, H5P_DEFAULT));
}

void Hdf5Writer::external_link(const std::string& file, const std::string& target,
                               const std::string& where) {
  checked(H5Lcreate_external(file.c_str(), target.c_str(), file_, where.c_str(), parents_,
                             H5P_DEFAULT));
}

std::string keras2_group(std::size_t layer) {
  return fmt::format("layer_{}", 99 - layer);
}

std::string keras2_kernel(std::size_t layer) {
  return keras2_group(layer) + "/" + keras2_group(layer) + "_W:0";
}

void write_keras2(const std::filesystem::path& path, std::span<const Vgg16Layer> layers,
                  const Convolutions& weights, const Keras2Options& options) {
  Hdf5Writer writer(path);
  std::vector<std::string> groups = {"input_1"};
  std::vector<std::string> all_names;
  writer.group(join(options.root, "input_1"));
  writer.no_names(join(options.root, "input_1"), "weight_names");
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (i + 1 == layers.size() && !options.before_last.empty()) {
      const std::size_t shape[] = {layers[i].input_channels};
      const std::vector<float> ones(shape[0], 1.0F);
      const std::string layer = join(options.root, options.before_last);
      writer.floats(layer + "/gamma:0", shape, ones);
      writer.names(layer, "weight_names", {"gamma:0"});
      groups.push_back(options.before_last);
    }
    const std::string own = keras2_group(i);
    const std::string group = options.nested ? "vgg16" : own;
    const std::size_t bias_shape[] = {layers[i].output_channels};
    const std::vector<std::string> names = {own + "_W:0", own + "_b:0"};
    writer.floats(join(options.root, group + "/" + names[0]), hwio_shape(layers[i]),
                  weights[i].kernel);
    writer.floats(join(options.root, group + "/" + names[1]), bias_shape, weights[i].bias);
    all_names.insert(all_names.end(), names.begin(), names.end());
    if (options.nested) continue;
    writer.names(join(options.root, group), "weight_names", names, options.variable_length);
    groups.push_back(group);
  }
  if (options.nested) {
    writer.names(join(options.root, "vgg16"), "weight_names", all_names);
    groups.emplace_back("vgg16");
  }
  const std::vector<float> head(6, 1.0F);
  const std::size_t head_shape[] = {6, 1};
  writer.floats(join(options.root, "dense/kernel:0"), head_shape, head);
  writer.names(join(options.root, "dense"), "weight_names", {"kernel:0"});
  groups.emplace_back("dense");
  writer.names(options.root, "layer_names", groups, options.variable_length);
  writer.names(options.root, "keras_version", {"2.1.6"}, options.variable_length);
}

void write_keras3(const std::filesystem::path& path, std::span<const Vgg16Layer> layers,
                  const Convolutions& weights, const std::string& root) {
  Hdf5Writer writer(path);
  writer.group(root + "/input_layer/vars");
  writer.group(root + "/max_pooling2d_1/vars");
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string vars = root + (i == 0 ? "/conv2d/vars/" : fmt::format("/conv2d_{}/vars/", i));
    const std::size_t bias_shape[] = {layers[i].output_channels};
    writer.floats(vars + "0", hwio_shape(layers[i]), weights[i].kernel);
    writer.floats(vars + "1", bias_shape, weights[i].bias);
  }
  const std::vector<float> head(6, 1.0F);
  const std::size_t head_shape[] = {6, 1};
  writer.floats(root + "/dense/vars/0", head_shape, head);
}

}  // namespace graft::test
