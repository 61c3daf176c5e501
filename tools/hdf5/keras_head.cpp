#include "tools/hdf5/keras_head.h"

#include <algorithm>
#include <new>
#include <string>

#include "tools/hdf5/hdf5_file.h"

namespace graft {
namespace {

// In memory, the library fails for want of memory alone.
Hdf5Handle made(hid_t id, Hdf5Handle::Close close) {
  if (id < 0) throw std::bad_alloc();
  return {id, close};
}

// Names as Keras writes them: of one length, padded with zeros.
void set_names(const Hdf5Handle& object, const char* attribute,
               const std::vector<std::string>& names, bool is_list = true) {
  std::size_t longest = 1;
  for (const std::string& name : names) longest = std::max(longest, name.size());
  std::string bytes;
  for (std::string name : names) {
    name.resize(longest);
    bytes += name;
  }
  const hsize_t count = names.size();
  const Hdf5Handle type = made(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), longest);
  H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
  const Hdf5Handle space =
      made(is_list ? H5Screate_simple(1, &count, nullptr) : H5Screate(H5S_SCALAR), H5Sclose);
  const Hdf5Handle created =
      made(H5Acreate2(object.get(), attribute, type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT),
           H5Aclose);
  if (count > 0) H5Awrite(created.get(), type.get(), bytes.data());
}

class KerasHead {
 public:
  KerasHead(const Safetensors& head, std::size_t bytes) : head_(head) {
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    const Hdf5Handle access = made(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    constexpr std::size_t structure = std::size_t{1} << 18U;  // so that the image rarely grows
    H5Pset_fapl_core(access.get(), bytes + structure, false);
    file_ = made(H5Fcreate("head", H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), H5Fclose);
    links_ = made(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
    H5Pset_create_intermediate_group(links_.get(), 1);
    values_ = made(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_obj_track_times(values_.get(), false);
  }

  // A layer's group with its weights, perhaps none.
  void layer(const std::string& name, const std::vector<const SafetensorsEntry*>& tensors) {
    const Hdf5Handle group = made(
        H5Gcreate2(file_.get(), name.c_str(), links_.get(), H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
    std::vector<std::string> names;
    for (const SafetensorsEntry* tensor : tensors) {
      names.push_back(tensor->name + ":0");
      const std::vector<hsize_t> shape(tensor->shape.begin(), tensor->shape.end());
      const Hdf5Handle space =
          made(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
      const Hdf5Handle set = made(H5Dcreate2(group.get(), names.back().c_str(), H5T_IEEE_F32LE,
                                             space.get(), links_.get(), values_.get(), H5P_DEFAULT),
                                  H5Dclose);
      if (H5Dwrite(set.get(), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                   head_.values(*tensor).data()) < 0)
        throw std::bad_alloc();
    }
    set_names(group, "weight_names", names);
    layers_.push_back(name);
  }

  std::vector<std::byte> image() {
    set_names(file_, "layer_names", layers_);
    set_names(file_, "backend", {"tensorflow"}, false);
    set_names(file_, "keras_version", {"2.15.0"}, false);
    H5Fflush(file_.get(), H5F_SCOPE_GLOBAL);
    const ssize_t size = H5Fget_file_image(file_.get(), nullptr, 0);
    if (size <= 0) throw std::bad_alloc();
    std::vector<std::byte> bytes(static_cast<std::size_t>(size));
    if (H5Fget_file_image(file_.get(), bytes.data(), bytes.size()) != size) throw std::bad_alloc();
    return bytes;
  }

 private:
  const Safetensors& head_;
  Hdf5Handle file_, links_, values_;
  std::vector<std::string> layers_;
};

}  // namespace

std::vector<std::byte> keras_head_image(const Safetensors& head, std::size_t bytes) {
  const std::vector<SafetensorsEntry>& tensors = head.entries();
  KerasHead file(head, bytes);
  file.layer("flatten", {});
  for (std::size_t i = 0; i + 1 < tensors.size(); i += 2) {
    const std::string dense = tensors[i].name.substr(0, tensors[i].name.find('/'));
    file.layer(dense, {&tensors[i], &tensors[i + 1]});
    const std::string dropout = i == 0 ? "dropout" : "dropout_" + std::to_string(i / 2);
    if (i + 2 < tensors.size()) file.layer(dropout, {});
  }
  return file.image();
}

}  // namespace graft
