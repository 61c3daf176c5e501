#include "engine/weights/safetensors.h"

#include <algorithm>
#include <cstring>

#include "engine/weights/refuse.h"
#include "engine/weights/safetensors_header.h"

namespace graft {

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  SafetensorsHeader header = parse_safetensors_header(path, file_.bytes());
  for (const SafetensorsEntry& entry : header.entries) {
    if (entry.dtype != "F32") {
      refuse_weights(path, "the tensor \"{}\" is of type {}; only F32 is read: save it as float32",
                     entry.name, entry.dtype);
    }
  }
  // All sizes are multiples of four from here on, so one check of the start is a check of them all.
  const std::span<const std::byte> bytes = file_.bytes().subspan(header.data_start);
  const auto* values = reinterpret_cast<const float*>(bytes.data());
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(float) != 0) {
    aligned_.resize(bytes.size() / sizeof(float));
    if (!aligned_.empty()) std::memcpy(aligned_.data(), bytes.data(), bytes.size());
    values = aligned_.data();
  }
  tensors_.reserve(header.entries.size());
  for (SafetensorsEntry& entry : header.entries) {
    const auto [begin, end] = entry.data_offsets;
    tensors_.push_back({std::move(entry.name),
                        std::move(entry.shape),
                        {values + begin / sizeof(float), (end - begin) / sizeof(float)}});
  }
  metadata_ = std::move(header.metadata);
}

const TensorView* SafetensorsFile::find(const std::string& name) const {
  const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                  [&](const TensorView& tensor) { return tensor.name == name; });
  return found == tensors_.end() ? nullptr : &*found;
}

const TensorView& SafetensorsFile::tensor(const std::string& name) const {
  const TensorView* found = find(name);
  if (found == nullptr) refuse_weights(file_.path(), "there is no tensor \"{}\" in it", name);
  return *found;
}

void write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                       const Metadata& metadata) {
  const std::string header = safetensors_header_bytes(tensors, metadata);
  const std::filesystem::path beside = partial_path(path);
  try {
    File file(beside, File::Mode::create_or_truncate);
    file.append(std::as_bytes(std::span(header)));
    for (const TensorView& tensor : tensors) file.append(std::as_bytes(tensor.data));
    file.sync_data();
    file.close();
    rename_durably(beside, path);
  } catch (...) {
    std::error_code ignored;  // the first error is the one to report
    std::filesystem::remove(beside, ignored);
    throw;
  }
}

}  // namespace graft
