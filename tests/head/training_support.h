#pragma once
// A small training run and what can be seen of it from outside.

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/base/observer.h"
#include "engine/config/config.h"
#include "engine/head/training.h"
#include "naive_head.h"

namespace graft::test {

// Rows of features, 1 × 2 × 3 unless said otherwise, that a small head can tell apart, with some
// that it cannot.
struct SmallSet {
  std::vector<float> values;
  std::vector<std::uint32_t> labels;
  std::vector<std::string> classes;
  std::vector<std::string> files;
  FeatureShape shape;
  Digest fingerprint;

  SmallSet(std::size_t rows, std::size_t class_count, std::uint64_t seed,
           FeatureShape features = {1, 2, 3});
  LabelledFeatures view() const {
    return {
        {values.data(), labels.size(), shape.count()}, labels, classes, files, shape, fingerprint};
  }
};

// 22 rows in batches of 4, the last one short: 6 batches an epoch.
constexpr std::size_t small_batches = 6;
Config small_config();
inline SmallSet small_train(std::size_t classes = 2) {
  return {22, classes, 11};
}
inline SmallSet small_validation(std::size_t classes = 2) {
  return {9, classes, 12};
}

class RecordingObserver final : public Observer {
 public:
  std::string stage;
  std::size_t total = 0;
  std::string unit;
  std::vector<std::size_t> advances;
  std::vector<std::string> notes;
  std::vector<std::string> warnings;
  std::vector<std::string> rows;
  int ends = 0;
  std::function<void(std::size_t)> on_advance = [](std::size_t) {};

  void begin(std::string_view s, std::size_t t, std::string_view u) override {
    stage = s;
    total = t;
    unit = u;
  }
  void advance(std::size_t done) override {
    advances.push_back(done);
    on_advance(done);
  }
  void end() override { ++ends; }
  void note(std::string_view sentence) override { notes.emplace_back(sentence); }
  void warn(std::string_view sentence) override { warnings.emplace_back(sentence); }
  void row(std::string_view line) override { rows.emplace_back(line); }
};

// One call of the trainer with a NaiveHead.
struct SmallRun {
  Config config = small_config();
  SmallSet train = small_train();
  SmallSet validation = small_validation();
  RecordingObserver observer;
  std::stop_source stop;
  std::function<void(std::string_view)> before = [](std::string_view) {};
  std::vector<HeadOptions> heads = {};  // the options that make_head was given

  History into(const std::filesystem::path& output);
};

// Name → content of each file in a folder.
std::map<std::string, std::string> files_in(const std::filesystem::path& folder);

// What an undisturbed run leaves.
std::map<std::string, std::string> files_of_a_whole_run(const Config& config = small_config());

}  // namespace graft::test
