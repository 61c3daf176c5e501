#include "engine/features/stored_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/error.h"

namespace graft {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& reason) {
  throw Error(ErrorKind::data, fmt::format("cannot use {}: {}", path.string(), reason));
}

void check_shape(const SetPaths& paths, const FileList& list, const NpyFile& npy) {
  const std::vector<std::size_t> expected = {list.rows.size(), list.shape.height, list.shape.width,
                                             list.shape.channels};
  if (npy.header().descr != "<f4" || npy.header().shape != expected) {
    refuse(paths.npy,
           fmt::format("its type or shape is not what {} says", paths.files.filename().string()));
  }
}

void check_labels(const SetPaths& paths, const FileList& list) {
  const NpyFile npy(paths.labels);
  const std::span<const std::uint32_t> labels = npy.labels();
  const bool equal =
      npy.header().shape == std::vector<std::size_t>{list.rows.size()} &&
      std::equal(labels.begin(), labels.end(), list.rows.begin(),
                 [](std::uint32_t label, const FileRow& row) { return label == row.label; });
  if (!equal) {
    refuse(paths.labels,
           fmt::format("its labels are not those of {}", paths.files.filename().string()));
  }
}

void check_some_rows(const SetPaths& paths, const StoredSet& set) {
  constexpr std::size_t checked_rows = 64;
  const std::size_t rows = set.list.rows.size();
  const std::size_t checks = std::min(rows, checked_rows);
  for (std::size_t i = 0; i < checks; ++i) {
    const std::size_t row = checks == 1 ? 0 : i * (rows - 1) / (checks - 1);
    if (digest_of(set.row(row)) != set.list.rows[row].check) {
      refuse(paths.npy, fmt::format("row {} is not the one that {} describes", row,
                                    paths.files.filename().string()));
    }
  }
}

}  // namespace

std::span<const std::byte> StoredSet::row(std::size_t index) const {
  return std::as_bytes(npy.floats().subspan(index * list.shape.count(), list.shape.count()));
}

bool stored_set_exists(const SetPaths& paths) {
  return std::filesystem::exists(paths.npy) || std::filesystem::exists(paths.labels) ||
         std::filesystem::exists(paths.files);
}

StoredSet open_stored_set(const SetPaths& paths) {
  for (const auto& path : {paths.npy, paths.labels, paths.files}) {
    if (!std::filesystem::exists(path)) {
      throw Error(ErrorKind::data, fmt::format("{} is missing", path.string()));
    }
  }
  StoredSet set{read_file_list(paths.files), NpyFile(paths.npy)};
  check_shape(paths, set.list, set.npy);
  check_labels(paths, set.list);
  check_some_rows(paths, set);
  return set;
}

}  // namespace graft
