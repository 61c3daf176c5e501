#pragma once
// A small training run and what can be seen of it from outside.

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/base/error.h"
#include "engine/config/config.h"
#include "engine/head/trainer.h"
#include "tests/reference/head.h"
#include "tests/support/recording_observer.h"

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
  FeatureKey key = feature_key({}, {}, "tests", {});
  std::size_t views = 1;
  std::vector<Digest> contents;  // of the files' names

  SmallSet(std::size_t rows, std::size_t class_count, std::uint64_t seed,
           FeatureShape features = {1, 2, 3});
  LabelledFeatures view() const {
    return {{values.data(), labels.size() * views, shape.count()},
            labels,
            classes,
            files,
            shape,
            fingerprint,
            key,
            views,
            contents};
  }
  // The same rows as two views of half as many photos.
  void pair_rows();
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

// A backend that has nothing but a head, made by `make`.
class HeadBackend final : public Backend {
 public:
  using Make = std::function<std::unique_ptr<Head>(const HeadOptions&)>;
  explicit HeadBackend(Make make) : make_(std::move(make)) {}
  std::string description() const override { return "a head for tests"; }
  std::string numerics(const BackboneOptions&) override { return "tests"; }
  Precision automatic_precision() const override { return Precision::fp32; }
  std::size_t automatic_batch(const BackboneOptions&) const override { return 1; }
  HostBuffer allocate_host(std::size_t) override { throw std::logic_error("no host memory here"); }
  std::size_t batches_in_flight() const override { return 1; }
  std::size_t host_threads() const override { return 1; }
  std::unique_ptr<Backbone> make_backbone(const Vgg16Weights&, const BackboneOptions&) override {
    throw std::logic_error("no backbone here");
  }
  std::unique_ptr<Head> make_head(const HeadOptions& options) override { return make_(options); }

 private:
  Make make_;
};

// One call of the trainer with a ReferenceHead.
struct SmallRun {
  Config config = small_config();
  SmallSet train = small_train();
  SmallSet validation = small_validation();
  RecordingObserver observer;
  std::stop_source stop;
  std::function<void(std::string_view)> before = [](std::string_view) {};
  Tracer* tracer = nullptr;
  std::vector<HeadOptions> heads = {};  // the options that make_head was given

  // `finished`: the folder of a finished set.
  History into(const std::filesystem::path& output, const std::filesystem::path& finished = {});
};

// The sentence of the Error of that kind that `run` ends with.
template <typename Run>
std::string error_of(ErrorKind kind, const Run& run) {
  try {
    run();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  return "no error";
}

// Name → content of each file in a folder.
std::map<std::string, std::string> files_in(const std::filesystem::path& folder);

// What an undisturbed run leaves.
std::map<std::string, std::string> files_of_a_full_run(const Config& config = small_config());

}  // namespace graft::test
