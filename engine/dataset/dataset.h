#pragma once
// Sets of images: folders with one sub-folder per class, in the order of Keras' flow_from_directory,
// or CSV files that list images (csv.h).
// Classes: the sub-folders' names sorted by code point; a label is the position of its class.
// Files: per class, folders sorted by path, then files sorted by name (cat.10.jpg before
// cat.2.jpg), with the extensions of scan.cpp in any case. A link to a folder is followed unless that
// folder is read already. Names that is_ignored_name() are ignored; a warning counts everything else
// that is not used. The files of a list are sorted by path and may have any name.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/base/digest.h"
#include "engine/base/file.h"
#include "engine/base/observer.h"
#include "engine/config/config.h"
#include "engine/dataset/reading.h"

namespace graft {

struct Sample {
  std::string file;                     // relative to the root ("cats/cat.0.jpg"), or absolute
  std::uint32_t label = 0;              // index into Dataset::classes
  Digest content;                       // of the file's bytes
  std::optional<FileStamp> stamp = {};  // of a shard: the file as it was read
};

struct BadFile {
  std::string file;
  std::string reason;
};

struct Dataset {
  std::filesystem::path root;  // the folder, or that of the CSV file; root / file is an image
  std::vector<std::string> classes;
  std::vector<Sample> samples;   // in Keras' order; its index is the row of the feature matrix
  std::vector<BadFile> skipped;  // failed the header check with on_bad_image = skip
};

struct Datasets {
  Dataset train;
  Dataset validation;
};

// Lists, reads and header-checks every file of data.train and data.validation (or splits
// data.train, by default_validation_split when data.validation_split is 0), digesting contents on
// `threads` threads. Throws Error(data) for: no such folder, no classes, one class only, an empty
// class, no images, a wrong CSV file, classes that differ between the two sets, and, with
// on_bad_image = stop, the files that cannot be images (up to twenty are named). Throws Error(usage)
// when the config and the column split both name validation images. Calls warn_of_shared_images.
// With options.shard only its files are read, a set may be empty, and data.train is not split: all its
// files are in `train`.
Datasets read_datasets(const DataConfig& data, std::size_t threads, Observer& observer,
                       std::stop_token stop, const ReadingOptions& options = {});

// The validation set of read_datasets alone: data.train is read only where it is split.
Dataset read_validation(const DataConfig& data, std::size_t threads, Observer& observer,
                        std::stop_token stop);

// Warns of images that are in both sets, which make the validation accuracy look too good, and of
// images that are in two classes. Equal bytes are the same image. Names up to ten pairs of each.
void warn_of_shared_images(const Datasets& datasets, Observer& observer);

// Lists the images below one folder of any shape, sorted in the same way: for prediction. Paths are
// relative to the folder. Warns of what is not used. Throws Error(data) where there is no image.
std::vector<std::string> list_images(const std::filesystem::path& folder, Observer& observer);

// The end of a message that lists the first of `total` things, at most 20 of `lines`.
std::string listed_lines(const std::vector<std::string>& lines, std::size_t total);

}  // namespace graft
