#include "engine/dataset/scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "engine/dataset/dataset.h"

namespace graft {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view extensions_for_people = "png, jpg, jpeg, bmp, ppm, tif or tiff";
constexpr std::array<std::string_view, 7> extensions = {".png", ".jpg", ".jpeg", ".bmp",
                                                        ".ppm", ".tif", ".tiff"};

bool has_image_extension(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  std::string extension(name.substr(dot));
  for (char& letter : extension) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

template <typename... Arguments>
[[noreturn]] void refuse(fmt::format_string<Arguments...> sentence, Arguments&&... arguments) {
  throw Error(ErrorKind::data, fmt::format(sentence, std::forward<Arguments>(arguments)...));
}

[[noreturn]] void refuse_folder(const fs::path& folder, const std::error_code& reason) {
  refuse("the folder {} cannot be read: {}", shown(folder), reason.message());
}

struct Listing {
  std::vector<std::string> folders;       // real ones
  std::vector<std::string> folder_links;  // links to folders
  std::vector<std::string> files;  // all else: links to files, to nothing, and special files too
};

Listing list_folder(const fs::path& folder) {
  Listing listing;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().native();
    std::error_code ignored;  // a link to nothing is a file that cannot be read later
    if (!entry->is_directory(ignored)) {
      listing.files.push_back(name);
    } else if (entry->is_symlink(ignored)) {
      listing.folder_links.push_back(name);
    } else {
      listing.folders.push_back(name);
    }
  }
  if (error) refuse_folder(folder, error);
  return listing;
}

// Sorting by the whole path as a text is what Keras does: "a-b" comes before "a/b".
std::vector<std::string> folders_below(const fs::path& root, const std::string& top) {
  std::vector<std::string> found = {top};
  for (std::size_t next = 0; next < found.size(); ++next) {
    const std::string folder = found[next];
    for (const std::string& name : list_folder(root / folder).folders) {
      found.push_back(folder.empty() ? name : folder + "/" + name);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::string> image_names(const fs::path& folder) {
  std::vector<std::string> names = list_folder(folder).files;
  std::erase_if(names, [](const std::string& name) { return !has_image_extension(name); });
  std::sort(names.begin(), names.end());
  return names;
}

void check_is_folder(const fs::path& root) {
  std::error_code error;
  const fs::file_status status = fs::status(root, error);
  if (status.type() == fs::file_type::not_found) {
    refuse("there is no folder {}", shown(root));
  }
  if (error) refuse_folder(root, error);
  if (!fs::is_directory(status)) {
    refuse("{} is not a folder; name the folder that holds one sub-folder per class", shown(root));
  }
}

std::string shown_source(const ScannedFolder& folder) {
  return shown(folder.list.empty() ? folder.root : folder.list);
}

// The classes of `from` that `other` lacks, as "'a', 'b'", or "'a' (LIST:7)" for a list.
std::string missing_names(const ScannedFolder& from, const ScannedFolder& other) {
  std::vector<ScannedClass> missing;
  std::ranges::set_difference(from.classes, other.classes, std::back_inserter(missing), {},
                              &ScannedClass::name, &ScannedClass::name);
  std::string names;
  for (std::size_t i = 0; i < std::min<std::size_t>(missing.size(), 10); ++i) {
    const auto& [name, files, lines] = missing[i];
    names += fmt::format("{}'{}'", names.empty() ? "" : ", ", name);
    if (!lines.empty()) names += fmt::format(" ({}:{})", shown(from.list), std::ranges::min(lines));
  }
  return names + (missing.size() > 10 ? ", …" : "");
}

}  // namespace

std::vector<std::string> scan_images(const fs::path& root, const std::string& folder) {
  std::vector<std::string> files;
  for (const std::string& below : folders_below(root, folder)) {
    for (std::string& name : image_names(root / below)) {
      files.push_back(below.empty() ? std::move(name) : below + "/" + name);
    }
  }
  return files;
}

ScannedFolder scan_classes(const fs::path& root) {
  check_is_folder(root);
  Listing listing = list_folder(root);
  std::vector<std::string> names = std::move(listing.folders);
  std::move(listing.folder_links.begin(), listing.folder_links.end(), std::back_inserter(names));
  std::sort(names.begin(), names.end());
  if (names.empty()) {
    refuse("{} has no sub-folders; put the images of each class into a sub-folder of its own",
           shown(root));
  }
  ScannedFolder scanned{root, {}};
  for (std::string& name : names) {
    if (!is_utf8(name)) {
      refuse(
          "the name of the class folder {} is not UTF-8, which the results cannot hold; rename it",
          shown(root / name));
    }
    std::vector<std::string> files = scan_images(root, name);
    scanned.classes.push_back({std::move(name), std::move(files)});
  }
  return scanned;
}

void check_classes(const ScannedFolder& folder) {
  if (folder.classes.size() == 1) {
    refuse("{} has one class only, '{}'; a classifier needs two or more", shown_source(folder),
           folder.classes.front().name);
  }
  const auto is_empty = [](const ScannedClass& one) { return one.files.empty(); };
  if (std::all_of(folder.classes.begin(), folder.classes.end(), is_empty)) {
    refuse("there are no images below {} (files named {})", shown(folder.root),
           extensions_for_people);
  }
  const auto empty = std::find_if(folder.classes.begin(), folder.classes.end(), is_empty);
  if (empty != folder.classes.end()) {
    refuse("the class folder {} holds no images (files named {}); add some, or remove the folder",
           shown(folder.root / empty->name), extensions_for_people);
  }
}

void check_same_classes(const ScannedFolder& train, const ScannedFolder& validation) {
  const std::string only_train = missing_names(train, validation);
  const std::string only_validation = missing_names(validation, train);
  if (only_train.empty() && only_validation.empty()) return;
  std::string difference;
  if (!only_train.empty()) {
    difference =
        fmt::format("{} is missing in validation ({})", only_train, shown_source(validation));
  }
  if (!only_validation.empty()) {
    difference += fmt::format("{}{} is missing in train ({})", difference.empty() ? "" : ", and ",
                              only_validation, shown_source(train));
  }
  refuse("the classes of train and validation differ: {}; both need the same ones", difference);
}

std::vector<std::string> list_images(const fs::path& folder) {
  check_is_folder(folder);
  return scan_images(folder, "");
}

}  // namespace graft
