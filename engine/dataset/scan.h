#pragma once
// The classes and files below a folder, in the order of Keras' flow_from_directory. Only folders are
// opened. csv.h reads the same from a list.

#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/observer.h"

namespace graft {

struct ScannedClass {
  std::string name;
  std::vector<std::string> files;       // relative to the root ("cats/2019/cat.0.jpg"), or absolute
  std::vector<std::size_t> lines = {};  // of the list, one for each file; empty without a list
};

struct UnusedEntries {
  std::size_t count = 0;
  std::string example;  // relative to the root
};

struct ScannedFolder {
  std::filesystem::path root;
  std::vector<ScannedClass> classes;
  std::filesystem::path list = {};  // the CSV file that lists the files; empty for a folder
  std::map<std::string, UnusedEntries> unused = {};  // by kind: ".webp", "without an extension"
};

struct ScannedSets {
  ScannedFolder train;  // all images when there is no validation set
  std::optional<ScannedFolder> validation;
};

// The folders and images that dataset.h describes. Throws Error(data) for a folder that is missing or
// has no sub-folder, and for a class whose name is not UTF-8; Error(io) for a folder that cannot be
// read.
ScannedFolder scan_classes(const std::filesystem::path& root);

// Warns of what is not used, by kind, with an example of each of the ten most frequent kinds.
void warn_of_unused(const ScannedFolder& folder, Observer& observer);

// Throws Error(data) for one class only, for no images at all, for a class without an image, for names
// that look the same, and for sets ("train", "validation") in place of classes.
void check_classes(const ScannedFolder& folder);

// Throws Error(data) that names the classes that only one of the two has, at most ten of each.
void check_same_classes(const ScannedFolder& train, const ScannedFolder& validation);

}  // namespace graft
