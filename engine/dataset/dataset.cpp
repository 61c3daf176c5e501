#include "engine/dataset/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "engine/config/config_file.h"
#include "engine/dataset/csv.h"
#include "engine/dataset/scan.h"
#include "engine/dataset/split.h"
#include "engine/dataset/verify.h"

namespace graft {
namespace {

// Good files become samples and bad ones are listed, both in the order of the scan.
Dataset make_dataset(ScannedFolder folder, const DataConfig& data, const std::string& set,
                     const std::string& stage, std::size_t threads, Observer& observer,
                     std::stop_token stop, const ReadingOptions& options) {
  if (options.shard != nullptr) {
    for (ScannedClass& one : folder.classes) {
      std::erase_if(one.files, [&](const auto& file) { return !options.shard->takes(file); });
      one.lines.clear();
    }
  }
  const std::vector<VerifiedFile> verified =
      verify_files(folder, data, set, stage, threads, observer, std::move(stop), options);
  Dataset dataset;
  dataset.root = std::move(folder.root);
  std::size_t next = 0, unstamped = 0;
  for (ScannedClass& one : folder.classes) {
    const auto label = static_cast<std::uint32_t>(dataset.classes.size());
    dataset.classes.push_back(std::move(one.name));
    for (std::string& file : one.files) {
      const VerifiedFile& result = verified[next++];
      if (options.shard != nullptr && !result.stamp) ++unstamped;
      if (result.reason.empty())
        dataset.samples.push_back({std::move(file), label, result.content, result.stamp});
      else
        dataset.skipped.push_back({escape_invalid_utf8(file), escape_invalid_utf8(result.reason)});
    }
  }
  if (unstamped > 0)
    observer.note(
        fmt::format("the run that collects the rows will read {} again: bad, or changed less "
                    "than two seconds ago or later than now by this machine's clock",
                    counted(unstamped, "file", "files")));
  return dataset;
}

void check_no_class_vanished(const Dataset& dataset) {
  std::vector<bool> present(dataset.classes.size(), false);
  for (const Sample& sample : dataset.samples) present[sample.label] = true;
  for (std::size_t label = 0; label < present.size(); ++label)
    if (!present[label])
      throw Error(ErrorKind::data, "no file of the class '{}' in {} can be read as an image",
                  printable(dataset.classes[label]), shown(dataset.root));
}

void handle_bad_files(std::initializer_list<const Dataset*> datasets, OnBadImage on_bad_image,
                      Observer& observer) {
  std::size_t files = 0;
  std::vector<std::string> lines;
  for (const Dataset* dataset : datasets) {
    files += dataset->skipped.size() + dataset->samples.size();
    for (const BadFile& file : dataset->skipped)
      lines.push_back(fmt::format("{}: {}", shown(dataset->root / file.file), file.reason));
  }
  if (lines.empty()) return;
  const std::string count = fmt::format("{} of {} cannot be read as images", grouped(lines.size()),
                                        counted(files, "file", "files"));
  const std::string list = listed_lines(lines, lines.size());
  if (on_bad_image == OnBadImage::skip) {
    observer.warn(fmt::format("{} and are skipped:{}", count, list));
    return;
  }
  throw Error(ErrorKind::data, "{}; remove them, or set data.on_bad_image to \"skip\":{}", count,
              list);
}

ScannedSets scan(const std::filesystem::path& source, bool may_split, Observer& observer) {
  if (is_csv_file(source)) return scan_csv(source, may_split, observer);
  ScannedFolder folder = scan_classes(source);
  warn_of_unused(folder, observer);
  return {std::move(folder), {}};
}

ScannedSets scan_sets(const DataConfig& data, Observer& observer) {
  ScannedSets sets = scan(data.train, true, observer);
  if (sets.validation && (!data.validation.empty() || data.validation_split > 0.0))
    throw Error(ErrorKind::usage,
                "{}: its column split names the validation images; remove it, or data.validation "
                "and data.validation_split",
                shown(data.train));
  if (!data.validation.empty()) sets.validation = scan(data.validation, false, observer).train;
  if (sets.validation) check_same_classes(sets.train, *sets.validation);
  check_classes(sets.train);
  if (sets.validation) check_classes(*sets.validation);
  return sets;
}

}  // namespace

std::string listed_lines(const std::vector<std::string>& lines, std::size_t total) {
  const std::size_t listed = std::min<std::size_t>(lines.size(), 20);
  std::string text;
  for (std::size_t i = 0; i < listed; ++i) text += "\n  " + lines[i];
  return total > listed ? text + fmt::format("\n  and {} more", grouped(total - listed)) : text;
}

void warn_of_shared_images(const Datasets& datasets, Observer& observer) {
  constexpr std::size_t named_at_most = 10;
  struct Place {
    const Dataset* set;
    const Sample* sample;
  };
  std::map<Digest, std::vector<Place>> found;
  std::size_t shared = 0, pairs = 0, contradictory = 0;
  std::vector<std::string> pair_lines, contradictory_lines;
  for (const Dataset* set : {&datasets.train, &datasets.validation}) {
    for (const Sample& sample : set->samples) {
      std::vector<Place>& same = found[sample.content];
      if (!same.empty() && same[0].set != set) ++shared;
      for (const auto& [other_set, other] : same) {
        if (other_set == set || ++pairs > named_at_most) continue;
        pair_lines.push_back(fmt::format("{} = {}", shown(other_set->root / other->file),
                                         shown(set->root / sample.file)));
      }
      same.push_back({set, &sample});
      const auto& [other_set, other] = same[0];
      if (other->label == sample.label || ++contradictory > named_at_most) continue;
      contradictory_lines.push_back(
          fmt::format("{} = {} (class {}, class {})", shown(other_set->root / other->file),
                      shown(set->root / sample.file), printable(other_set->classes[other->label]),
                      printable(set->classes[sample.label])));
    }
  }
  if (pairs > 0)
    observer.warn(fmt::format(
        "{} of validation {} also in train, with the same bytes ({}), so the validation accuracy "
        "will look better than it is:{}",
        counted(shared, "image", "images"), shared == 1 ? "is" : "are",
        counted(pairs, "pair", "pairs"), listed_lines(pair_lines, pairs)));
  if (contradictory > 0)
    observer.warn(
        fmt::format("{} {} in another class too, with the same bytes; remove the wrong ones:{}",
                    counted(contradictory, "image", "images"), contradictory == 1 ? "is" : "are",
                    listed_lines(contradictory_lines, contradictory)));
}

Datasets read_datasets(const DataConfig& data, std::size_t threads, Observer& observer,
                       std::stop_token stop, const ReadingOptions& options) {
  ScannedSets sets = scan_sets(data, observer);
  std::vector<std::string> names;
  for (const ScannedClass& one : sets.train.classes) names.push_back(one.name);
  observer.note("classes: " + printable(fmt::format("{}", fmt::join(names, ", ")), 300));
  Datasets datasets;
  const bool is_split = !sets.validation;
  datasets.train =
      make_dataset(std::move(sets.train), data, "train", is_split ? "check" : "check/train",
                   threads, observer, stop, options);
  if (!is_split)
    datasets.validation = make_dataset(std::move(*sets.validation), data, "validation",
                                       "check/validation", threads, observer, stop, options);
  handle_bad_files({&datasets.train, &datasets.validation}, data.on_bad_image, observer);
  if (options.shard != nullptr) return datasets;
  for (const Dataset* dataset : {&datasets.train, &datasets.validation})
    check_no_class_vanished(*dataset);
  if (is_split) {
    const bool is_said = data.validation_split > 0.0;  // a list may leave it open
    const double share = is_said ? data.validation_split : default_validation_split;
    observer.note(fmt::format("validation: {} of the images", percent(share, 0)));
    datasets = split_by_content(std::move(datasets.train), share);
  }
  warn_of_shared_images(datasets, observer);
  return datasets;
}

Dataset read_validation(const DataConfig& data, std::size_t threads, Observer& observer,
                        std::stop_token stop) {
  if (data.validation.empty()) {
    return read_datasets(data, threads, observer, std::move(stop)).validation;
  }
  ScannedSets sets = scan(data.validation, false, observer);
  check_classes(sets.train);
  Dataset dataset = make_dataset(std::move(sets.train), data, "validation", "check/validation",
                                 threads, observer, std::move(stop), {});
  handle_bad_files({&dataset}, data.on_bad_image, observer);
  check_no_class_vanished(dataset);
  return dataset;
}

}  // namespace graft
