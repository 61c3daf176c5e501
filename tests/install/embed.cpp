// A program with graft inside: trains a classifier as a config file says, then classifies photos.
//   embed CONFIG PHOTO...

#include <cstdio>
#include <exception>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/observer.h"
#include "engine/config/config_file.h"
#include "engine/features/features.h"
#include "engine/job/job.h"

namespace {

// Shows warnings. Other members of the class show progress, notes and epochs.
class Warnings : public graft::SilentObserver {
 public:
  void warn(std::string_view sentence) override {
    std::fprintf(stderr, "%s\n", std::string(sentence).c_str());
  }
};

void train_and_predict(const char* file, const std::vector<std::filesystem::path>& photos) {
  const auto load = [&] { return graft::load_config(file, {}, graft::process_environment()); };
  const graft::Config config = load();
  const graft::JobHooks hooks;
  Warnings warnings;

  // Features are computed once: a later call reuses the rows in config.output.
  graft::run_job(config, graft::Steps::extract, hooks, warnings, {});
  const auto features = graft::FeatureSet::open(config.output / "features", "train", 0);
  std::printf("%zu photos of %zu classes, %zu features each\n", features.files().size(),
              features.classes().size(), features.view().columns);

  const auto evaluation = graft::run_job(config, graft::Steps::train, hooks, warnings, {});
  std::printf("validation accuracy %.3f\n", evaluation->accuracy);

  const graft::FinishedRun run = graft::open_run(load, /*best=*/true);
  const auto answer = [](std::span<const graft::Prediction> predictions) {
    for (const auto& [photo, error, label, probabilities] : predictions)
      std::printf("%s: %s\n", photo.c_str(), (error.empty() ? label : error).c_str());
  };
  graft::predict_job(run, {.images = photos}, /*ready=*/{}, answer, warnings, /*stop=*/{});
}

}  // namespace

int main(int count, char** words) {
  try {
    if (count > 1) train_and_predict(words[1], {words + 2, words + count});
    return 0;
  } catch (const std::exception& error) {  // a graft::Error also has a kind
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
