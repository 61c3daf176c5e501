#include "engine/dataset/scan.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <memory>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/folder.h"
#include "engine/base/text.h"
#include "engine/config/config_file.h"
#include "engine/dataset/dataset.h"
#include "engine/image/image.h"

namespace graft {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 15> extensions = {
    ".png", ".jpg",  ".jpeg", ".bmp", ".ppm", ".tif", ".tiff",  // those of Keras
    ".jpe", ".jfif", ".dib",  ".pgm", ".pbm", ".pnm", ".webp", ".gif"};

std::string extensions_for_people() {
  return fmt::format("{}", fmt::join(extensions, " "));
}

// A kind of entry: the extension in lower case, with its dot.
std::string kind_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot < name.size() - 1 ? lower_case(name.substr(dot)) : "without an extension";
}

template <typename... Arguments>
[[noreturn]] void refuse(fmt::format_string<Arguments...> sentence, Arguments&&... arguments) {
  throw Error(ErrorKind::data, fmt::format(sentence, std::forward<Arguments>(arguments)...));
}

// Without ignored names.
FolderListing list_data_folder(const fs::path& folder) {
  try {
    FolderListing listing = list_folder(folder);
    std::erase_if(listing.entries, [](const auto& entry) { return is_ignored_name(entry.name); });
    return listing;
  } catch (const fs::filesystem_error& error) {
    if (error.code() == std::errc::no_such_file_or_directory)
      refuse("there is no folder {}", shown(folder));
    if (error.code() == std::errc::not_a_directory)
      refuse("{} is not a folder; name the folder that holds one sub-folder per class",
             shown(folder));
    throw Error(ErrorKind::io, "the folder {} cannot be read: {}", shown(folder),
                error.code().message());
  }
}

void count_unused(ScannedFolder& scanned, const std::string& kind, const std::string& path) {
  UnusedEntries& entries = scanned.unused[kind];
  if (entries.count++ == 0 || path < entries.example) entries.example = path;
}

std::string inside(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

// Fills in the files of the classes, whose folders have their names; "" is the root. Links to folders
// come last, and each is followed unless it leads to a folder that has been read or holds the root.
void read_classes(ScannedFolder& scanned) {
  using Place = std::pair<std::size_t, std::string>;  // a class, and a folder of it
  std::vector<Place> pending, links;
  std::set<std::pair<std::uint64_t, std::uint64_t>> read;
  struct stat status {};
  for (fs::path above = scanned.root; stat(above.c_str(), &status) == 0; above /= "..")
    if (!read.emplace(status.st_dev, status.st_ino).second) break;  // the topmost is its own ".."
  // As in Keras, folders are sorted by their whole path as a text: "a-b" comes before "a/b".
  std::map<Place, std::vector<std::string>> found;
  for (std::size_t i = 0; i < scanned.classes.size(); ++i)
    pending.emplace_back(i, scanned.classes[i].name);
  while (!pending.empty()) {
    const Place place = std::move(pending.back());
    const auto& [label, folder] = place;
    pending.pop_back();
    const FolderListing listing = list_data_folder(scanned.root / folder);
    const bool is_class = folder == scanned.classes[label].name;
    if (!read.insert(listing.id).second && !is_class) {
      count_unused(scanned, "link to a folder that is read already", folder);
    } else {
      std::vector<std::string>& files = found[place];
      for (const FolderEntry& entry : listing.entries) {
        const std::string kind = kind_of(entry.name);
        if (entry.is_folder)
          (entry.is_link ? links : pending).emplace_back(label, inside(folder, entry.name));
        else if (std::ranges::count(extensions, kind) > 0)
          files.push_back(entry.name);
        else  // links to nothing and special files too
          count_unused(scanned, kind, inside(folder, entry.name));
      }
    }
    if (!pending.empty()) continue;
    std::ranges::sort(links, std::greater());  // the smallest is taken first
    pending.swap(links);
  }
  for (const auto& [place, files] : found)
    for (const std::string& file : files)
      scanned.classes[place.first].files.push_back(inside(place.second, file));
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
    names += fmt::format("{}'{}'", names.empty() ? "" : ", ", printable(name));
    if (!lines.empty()) names += fmt::format(" ({}:{})", shown(from.list), std::ranges::min(lines));
  }
  return names + (missing.size() > 10 ? ", …" : "");
}

// In Unicode's composed form, NFC: a letter and its accent are one character.
std::string composed(const std::string& name) {
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> text(
      utf8proc_NFC(reinterpret_cast<const utf8proc_uint8_t*>(name.c_str())), &std::free);
  return text ? reinterpret_cast<const char*>(text.get()) : name;
}

void refuse_look_alikes(std::initializer_list<const ScannedFolder*> folders) {
  std::map<std::string, std::string> names;  // by their composed form
  for (const ScannedFolder* folder : folders)
    for (const ScannedClass& one : folder->classes)
      if (names.emplace(composed(one.name), one.name).first->second != one.name)
        refuse(
            "{} has a class '{}' whose name looks like another's and differs in its bytes (Unicode "
            "NFC and NFD); rename it to the same characters",
            shown_source(*folder), printable(one.name));
}

// Refuses the folder above the sets, where "train" would be a class.
void refuse_sets_as_classes(const ScannedFolder& folder) {
  constexpr std::array<std::string_view, 7> names = {"train", "training",   "val", "valid",
                                                     "test",  "validation", "dev"};
  const auto is_set = [&](const ScannedClass& one) {
    return std::ranges::count(names, one.name) > 0;
  };
  const auto has_folders = [](const ScannedClass& one) {
    return std::ranges::any_of(one.files,
                               [](const auto& file) { return std::ranges::count(file, '/') > 1; });
  };
  if (folder.list.empty() && std::ranges::all_of(folder.classes, is_set) &&
      std::ranges::any_of(folder.classes, has_folders))
    refuse(
        "the folders of {}, such as '{}', hold sets, not classes; set data.train to one of them "
        "and data.validation to another",
        shown(folder.root), folder.classes.front().name);
}

}  // namespace

void warn_of_unused(const ScannedFolder& folder, Observer& observer) {
  if (folder.unused.empty()) return;
  std::vector<std::pair<std::size_t, std::string>> kinds;
  for (const auto& [kind, entries] : folder.unused) kinds.emplace_back(entries.count, kind);
  std::ranges::stable_sort(kinds, std::greater(), &std::pair<std::size_t, std::string>::first);
  std::size_t total = 0;
  std::vector<std::string> lines;
  for (const auto& [count, kind] : kinds) {
    total += count;
    if (lines.size() == 10) continue;
    lines.push_back(fmt::format("{} × {}, such as {}", grouped(count), printable(kind, 60),
                                shown(folder.unused.at(kind).example)));
    if (const std::string advice = conversion_advice(kind); !advice.empty())
      lines.back() += "; " + advice;
  }
  observer.warn(fmt::format("{} below {} {} not used; images are files named {}:{}",
                            counted(total, "entry", "entries"), shown(folder.root),
                            total == 1 ? "is" : "are", extensions_for_people(),
                            listed_lines(lines, kinds.size())));
}

ScannedFolder scan_classes(const fs::path& root) {
  ScannedFolder scanned{root, {}};
  for (FolderEntry& entry : list_data_folder(root).entries) {
    if (!entry.is_folder) {
      count_unused(scanned, kind_of(entry.name) + " beside the class folders", entry.name);
      continue;
    }
    if (!is_utf8(entry.name)) {
      refuse(
          "the name of the class folder {} is not UTF-8, which the results cannot hold; rename it",
          shown(root / entry.name));
    }
    scanned.classes.push_back({std::move(entry.name), {}});
  }
  if (scanned.classes.empty()) {
    refuse("{} has no sub-folders; put the images of each class into a sub-folder of its own",
           shown(root));
  }
  read_classes(scanned);
  return scanned;
}

void check_classes(const ScannedFolder& folder) {
  if (folder.classes.size() == 1) {
    refuse("{} has one class only, '{}'; a classifier needs two or more", shown_source(folder),
           printable(folder.classes.front().name));
  }
  refuse_look_alikes({&folder});
  refuse_sets_as_classes(folder);
  const auto is_empty = [](const ScannedClass& one) { return one.files.empty(); };
  if (std::all_of(folder.classes.begin(), folder.classes.end(), is_empty)) {
    refuse("there are no images below {} (files named {})", shown(folder.root),
           extensions_for_people());
  }
  const auto empty = std::find_if(folder.classes.begin(), folder.classes.end(), is_empty);
  if (empty != folder.classes.end()) {
    refuse("the class folder {} holds no images (files named {}); add some, or remove the folder",
           shown(folder.root / empty->name), extensions_for_people());
  }
}

void check_same_classes(const ScannedFolder& train, const ScannedFolder& validation) {
  refuse_look_alikes({&train, &validation});
  std::vector<std::string> differences;
  const auto compare = [&](const ScannedFolder& from, const ScannedFolder& other,
                           const char* name) {
    if (const std::string missing = missing_names(from, other); !missing.empty())
      differences.push_back(
          fmt::format("{} is missing in {} ({})", missing, name, shown_source(other)));
  };
  compare(train, validation, "validation");
  compare(validation, train, "train");
  if (differences.empty()) return;
  refuse("the classes of train and validation differ: {}; both need the same ones",
         fmt::join(differences, ", and "));
}

std::vector<std::string> list_images(const fs::path& folder, Observer& observer) {
  ScannedFolder scanned{folder, {{"", {}}}};
  read_classes(scanned);
  warn_of_unused(scanned, observer);
  if (scanned.classes[0].files.empty())
    refuse("there is no image below {} (a file named {})", shown(folder), extensions_for_people());
  return std::move(scanned.classes[0].files);
}

}  // namespace graft
