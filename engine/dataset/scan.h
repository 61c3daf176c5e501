#pragma once
// The classes and files below a folder, in the order of Keras' flow_from_directory. Only folders are
// opened. csv.h reads the same from a list.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace graft {

struct ScannedClass {
  std::string name;
  std::vector<std::string> files;       // relative to the root ("cats/2019/cat.0.jpg"), or absolute
  std::vector<std::size_t> lines = {};  // of the list, one for each file; empty without a list
};

struct ScannedFolder {
  std::filesystem::path root;
  std::vector<ScannedClass> classes;
  std::filesystem::path list = {};  // the CSV file that lists the files; empty for a folder
};

struct ScannedSets {
  ScannedFolder train;  // all images when there is no validation set
  std::optional<ScannedFolder> validation;
};

// A sub-folder is a class, also one that is a link. Throws Error(data) for a folder that is
// missing, cannot be read or has no sub-folder, and for a class whose name is not UTF-8.
ScannedFolder scan_classes(const std::filesystem::path& root);

// Image files below `root`/`folder`, by name: folders sorted by path, then files sorted by code
// point. Links to files count, links to folders are not followed. Paths are relative to the root.
std::vector<std::string> scan_images(const std::filesystem::path& root, const std::string& folder);

// Throws Error(data) for one class only, for no images at all and for a class without an image.
void check_classes(const ScannedFolder& folder);

// Throws Error(data) that names the classes that only one of the two has, at most ten of each.
void check_same_classes(const ScannedFolder& train, const ScannedFolder& validation);

}  // namespace graft
