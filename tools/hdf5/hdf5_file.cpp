#include "tools/hdf5/hdf5_file.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>

#include "engine/weights/float_values.h"
#include "engine/weights/refuse.h"

namespace graft {
namespace {

constexpr std::size_t most_links = 10'000;
constexpr std::size_t most_strings = 10'000;
constexpr std::size_t longest_name = 1024;
constexpr std::size_t largest_chunk_bytes = std::size_t{64} << 20;
constexpr int largest_rank = 16;

// The innermost entry of the library's error stack: the cause, not its consequences. Throws
// std::bad_alloc where that is a lack of memory.
std::string hdf5_reason() {
  H5E_error2_t cause{};
  const auto take_first = [](unsigned depth, const H5E_error2_t* entry, void* first) -> herr_t {
    if (depth == 0) *static_cast<H5E_error2_t*>(first) = *entry;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, &cause);
  if (cause.min_num == H5E_NOSPACE || cause.min_num == H5E_CANTALLOC) throw std::bad_alloc();
  return cause.desc == nullptr ? "no reason given" : cause.desc;
}

// The library asks for a buffer of its own for the image of a file. It gets the image itself, which it
// only reads.
void* same_image(std::size_t, H5FD_file_image_op_t, void* image) {
  return image;
}
void* no_copy(void* to, const void*, std::size_t, H5FD_file_image_op_t, void*) {
  return to;
}
void* no_growth(void*, std::size_t, H5FD_file_image_op_t, void*) {
  return nullptr;
}
herr_t no_free(void*, H5FD_file_image_op_t, void*) {
  return 0;
}
void* same_data(void* data) {
  return data;
}
herr_t keep_data(void*) {
  return 0;
}

bool is_group(const Hdf5Handle& object) {
  return object && H5Iget_type(object.get()) == H5I_GROUP;
}
bool is_dataset(const Hdf5Handle& object) {
  return object && H5Iget_type(object.get()) == H5I_DATASET;
}

// `fixed` bytes of an HDF5 string without its padding: NULs or, in Fortran's way, blanks.
std::string unpadded(const char* text, std::size_t fixed, H5T_str_t padding) {
  std::string value(text, fixed);
  const std::size_t end = value.find('\0');
  if (end != std::string::npos) value.resize(end);
  if (padding == H5T_STR_SPACEPAD) value.erase(value.find_last_not_of(' ') + 1);
  return value;
}

std::vector<std::string> read_fixed_strings(hid_t attribute, hid_t type, std::size_t count) {
  const std::size_t size = H5Tget_size(type);
  if (size == 0 || size > longest_name) return {};
  std::vector<char> bytes(count * size);
  if (H5Aread(attribute, type, bytes.data()) < 0) return {};
  std::vector<std::string> values;
  for (std::size_t i = 0; i < count; ++i) {
    values.push_back(unpadded(bytes.data() + i * size, size, H5Tget_strpad(type)));
  }
  return values;
}

std::vector<std::string> read_variable_strings(hid_t attribute, hid_t type, hid_t space,
                                               std::size_t count) {
  const Hdf5Handle memory(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(memory.get(), H5T_VARIABLE);
  H5Tset_cset(memory.get(), H5Tget_cset(type));
  std::vector<char*> pointers(count, nullptr);
  if (H5Aread(attribute, memory.get(), pointers.data()) < 0) return {};
  std::vector<std::string> values;
  values.reserve(count);
  for (const char* pointer : pointers)
    values.emplace_back(pointer == nullptr ? "" : pointer,
                        pointer == nullptr ? 0 : strnlen(pointer, longest_name));
  H5Dvlen_reclaim(memory.get(), space, H5P_DEFAULT, pointers.data());
  return values;
}

std::string type_text(hid_t type) {
  const char* family = "another type";
  if (H5Tget_class(type) == H5T_FLOAT) family = "floating point";
  if (H5Tget_class(type) == H5T_INTEGER) family = "integers";
  return fmt::format("{} of {} bits", family, 8 * H5Tget_size(type));
}

// The float type of a dataset of little-endian numbers, as h5py writes them.
std::optional<FloatType> float_type(hid_t type) {
  const Hdf5Handle half(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
  H5Tset_fields(half.get(), 15, 10, 5, 0, 10);
  H5Tset_size(half.get(), 2);
  H5Tset_ebias(half.get(), 15);
  if (H5Tequal(type, H5T_IEEE_F32LE) > 0) return FloatType::float32;
  if (H5Tequal(type, half.get()) > 0) return FloatType::float16;
  // Keras 3 gives bfloat16 to h5py, which knows no such type.
  if (H5Tget_class(type) == H5T_OPAQUE && H5Tget_size(type) == 2) return FloatType::bfloat16;
  return std::nullopt;
}

}  // namespace

Hdf5File::Hdf5File(const std::filesystem::path& path, std::span<const std::byte> image)
    : path_(path) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  H5PLset_loading_state(0);
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG);
  constexpr std::size_t growth = 65'536;  // of a file that is written
  H5Pset_fapl_core(access.get(), growth, false);
  auto* bytes = const_cast<std::byte*>(image.data());  // NOLINT: the library's types have no const
  H5FD_file_image_callbacks_t callbacks{same_image, no_copy,   no_growth, no_free,
                                        same_data,  keep_data, bytes};
  H5Pset_file_image_callbacks(access.get(), &callbacks);
  H5Pset_file_image(access.get(), bytes, image.size());
  file_ = Hdf5Handle(H5Fopen("image", H5F_ACC_RDONLY, access.get()), H5Fclose);
  if (!file_) refuse_weights(path, "the HDF5 library cannot open it: {}", hdf5_reason());
}

Hdf5Handle Hdf5File::open(const std::string& where) const {
  Hdf5Handle object(H5Oopen(file_.get(), "/", H5P_DEFAULT), H5Oclose);
  for (std::size_t begin = 0; object && begin < where.size();) {
    const std::size_t end = std::min(where.find('/', begin), where.size());
    const std::string name = where.substr(begin, end - begin);
    begin = end + 1;
    if (name.empty()) continue;
    if (!is_group(object) || H5Lexists(object.get(), name.c_str(), H5P_DEFAULT) <= 0) return {};
    H5L_info_t link;
    if (H5Lget_info(object.get(), name.c_str(), &link, H5P_DEFAULT) < 0) return {};
    if (link.type != H5L_TYPE_HARD) {
      refuse_weights(
          path_,
          "\"{}\" in \"{}\" is a soft or external link, and links are not followed: save "
          "the weights again into one file",
          name, where);
    }
    object = Hdf5Handle(H5Oopen(object.get(), name.c_str(), H5P_DEFAULT), H5Oclose);
  }
  return object;
}

bool Hdf5File::has_group(const std::string& where) const {
  return is_group(open(where));
}
bool Hdf5File::has_dataset(const std::string& where) const {
  return is_dataset(open(where));
}

Hdf5Handle Hdf5File::open_group(const std::string& where) const {
  Hdf5Handle group = open(where);
  if (!is_group(group)) refuse_weights(path_, "there is no group \"{}\" in it", where);
  return group;
}

Hdf5Handle Hdf5File::open_dataset(const std::string& where) const {
  Hdf5Handle dataset = open(where);
  if (!is_dataset(dataset)) refuse_weights(path_, "there is no dataset \"{}\" in it", where);
  return dataset;
}

std::vector<std::string> Hdf5File::children(const std::string& where) const {
  const Hdf5Handle group = open_group(where);
  H5G_info_t info;
  if (H5Gget_info(group.get(), &info) < 0) {
    refuse_weights(path_, "the group \"{}\" cannot be read: {}", where, hdf5_reason());
  }
  if (info.nlinks > most_links) {
    refuse_weights(path_, "the group \"{}\" holds {} entries, above the limit of {}", where,
                   info.nlinks, most_links);
  }
  std::vector<std::string> names;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    char name[longest_name];
    const ssize_t length = H5Lget_name_by_idx(group.get(), ".", H5_INDEX_NAME, H5_ITER_INC, i, name,
                                              sizeof name, H5P_DEFAULT);
    if (length < 0 || static_cast<std::size_t>(length) >= sizeof name) {
      refuse_weights(path_, "an entry of the group \"{}\" has no readable name", where);
    }
    H5L_info_t link;
    if (H5Lget_info(group.get(), name, &link, H5P_DEFAULT) >= 0 && link.type == H5L_TYPE_HARD) {
      names.emplace_back(name);
    }
  }
  return names;
}

std::optional<std::vector<std::string>> Hdf5File::strings(const std::string& where,
                                                          const std::string& attribute) const {
  const Hdf5Handle group = open_group(where);
  if (H5Aexists(group.get(), attribute.c_str()) <= 0) return std::nullopt;
  const Hdf5Handle opened(H5Aopen(group.get(), attribute.c_str(), H5P_DEFAULT), H5Aclose);
  const Hdf5Handle type(H5Aget_type(opened.get()), H5Tclose);
  const Hdf5Handle space(H5Aget_space(opened.get()), H5Sclose);
  const hssize_t count = H5Sget_simple_extent_npoints(space.get());
  if (count == 0) return std::vector<std::string>{};  // Keras writes an empty list as floats
  if (!opened || count < 0 || static_cast<std::size_t>(count) > most_strings ||
      H5Tget_class(type.get()) != H5T_STRING) {
    refuse_weights(path_, "the attribute \"{}\" of \"/{}\" is no list of names", attribute, where);
  }
  const auto expected = static_cast<std::size_t>(count);
  std::vector<std::string> values =
      H5Tis_variable_str(type.get()) > 0
          ? read_variable_strings(opened.get(), type.get(), space.get(), expected)
          : read_fixed_strings(opened.get(), type.get(), expected);
  if (values.size() != expected) {
    refuse_weights(path_, "the attribute \"{}\" of \"/{}\" cannot be read", attribute, where);
  }
  return values;
}

std::vector<std::size_t> Hdf5File::shape(const std::string& dataset) const {
  const Hdf5Handle opened = open_dataset(dataset);
  const Hdf5Handle space(H5Dget_space(opened.get()), H5Sclose);
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (rank < 0 || rank > largest_rank) {
    refuse_weights(path_, "the dataset \"{}\" has no usable shape", dataset);
  }
  std::vector<hsize_t> extents(static_cast<std::size_t>(rank));
  if (rank > 0) H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr);
  return {extents.begin(), extents.end()};
}

void Hdf5File::check_storage(const std::string& where, hid_t dataset, std::size_t bytes) const {
  const Hdf5Handle settings(H5Dget_create_plist(dataset), H5Pclose);
  const H5D_layout_t layout = H5Pget_layout(settings.get());
  if (layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED) {
    refuse_weights(path_, "the dataset \"{}\" is virtual, which is not read", where);
  }
  if (H5Pget_external_count(settings.get()) != 0) {
    refuse_weights(path_,
                   "the values of \"{}\" are in another file (external storage), which is not read",
                   where);
  }
  const int filters = H5Pget_nfilters(settings.get());
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0;
    std::size_t values = 0;
    unsigned configuration = 0;
    const H5Z_filter_t filter = H5Pget_filter2(settings.get(), static_cast<unsigned>(i), &flags,
                                               &values, nullptr, 0, nullptr, &configuration);
    if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE) {
      refuse_weights(
          path_, "the dataset \"{}\" uses the HDF5 filter {}; only deflate and shuffle are read",
          where, filter);
    }
  }
  // The library reports a wrong storage size for deflated chunks, so they are counted.
  const bool is_complete = layout == H5D_CHUNKED ? has_all_chunks(where, dataset, settings.get())
                                                 : H5Dget_storage_size(dataset) == bytes;
  if (!is_complete) {
    refuse_weights(path_, "the dataset \"{}\" was never written in full; save the weights again",
                   where);
  }
}

bool Hdf5File::has_all_chunks(const std::string& where, hid_t dataset, hid_t settings) const {
  hsize_t extents[largest_rank] = {};
  const int rank = H5Pget_chunk(settings, largest_rank, extents);
  const std::vector<std::size_t> chunk(extents, extents + std::clamp(rank, 0, largest_rank));
  const std::vector<std::size_t> full = shape(where);
  const auto values = value_count(chunk);
  if (chunk.size() != full.size() || std::ranges::count(chunk, 0U) != 0 || !values ||
      *values > largest_chunk_bytes / sizeof(float)) {
    refuse_weights(path_, "the dataset \"{}\" has chunks of {}, which is too large or does not fit",
                   where, shape_text(chunk));
  }
  hsize_t expected = 1;
  for (std::size_t i = 0; i < full.size(); ++i) expected *= (full[i] + chunk[i] - 1) / chunk[i];
  hsize_t found = 0;
  const Hdf5Handle space(H5Dget_space(dataset), H5Sclose);
  return H5Dget_num_chunks(dataset, space.get(), &found) >= 0 && found == expected;
}

std::vector<float> Hdf5File::floats(const std::string& dataset,
                                    std::span<const std::size_t> expected) const {
  const std::vector<std::size_t> found = shape(dataset);
  if (!std::ranges::equal(found, expected)) {
    refuse_weights(path_, "the dataset \"{}\" has the shape {} and not {}", dataset,
                   shape_text(found), shape_text(expected));
  }
  const Hdf5Handle opened = open_dataset(dataset);
  const Hdf5Handle type(H5Dget_type(opened.get()), H5Tclose);
  const auto stored = float_type(type.get());
  if (!stored) {
    refuse_weights(path_,
                   "the dataset \"{}\" holds {}; only little-endian float16, bfloat16 and float32 "
                   "are read: save it as float32",
                   dataset, type_text(type.get()));
  }
  const auto count = value_count(found);
  if (!count || *count > std::numeric_limits<std::size_t>::max() / sizeof(float)) {
    refuse_weights(path_, "the dataset \"{}\" is too large", dataset);
  }
  const std::size_t size = *count * H5Tget_size(type.get());
  check_storage(dataset, opened.get(), size);
  std::vector<std::byte> bytes(size);
  // In the file's own type, so that the library converts nothing.
  if (H5Dread(opened.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) < 0) {
    refuse_weights(path_, "the dataset \"{}\" cannot be read: {}", dataset, hdf5_reason());
  }
  return to_float32(*stored, bytes);
}

}  // namespace graft
