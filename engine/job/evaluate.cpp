#include <fmt/format.h>

#include <utility>

#include "engine/base/error.h"
#include "engine/base/memory.h"
#include "engine/base/text.h"
#include "engine/dataset/dataset.h"
#include "engine/features/features.h"
#include "engine/job/classifier.h"

namespace graft {
namespace {

// The stored validation features, where they are those that the config asks for.
std::optional<FeatureSet> open_stored(const Config& config, Observer& observer) {
  const auto note = [&](const std::string& reason) {
    observer.note("the features are computed now and not stored: " + reason);
  };
  try {
    FeatureSet stored = FeatureSet::open(config.output / "features", "validation",
                                         config.features.memory_budget_mib << 20U);
    const std::string change =
        describe_settings_change(stored.settings(), feature_settings(config));
    if (change.empty()) return stored;
    note(change);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::data) throw;
    note(error.what());
  }
  return std::nullopt;
}

void check_classes(const FinishedRun& run, const std::vector<std::string>& classes) {
  if (classes == run.head.classes) return;
  throw Error(
      ErrorKind::data,
      fmt::format("{} was trained for the classes {}, and the images have {}; evaluate images of "
                  "the same classes, or run `graft run` again",
                  shown(run.head_file),
                  printable(fmt::format("{}", fmt::join(run.head.classes, ", ")), 300),
                  printable(fmt::format("{}", fmt::join(classes, ", ")), 300)));
}

Evaluation evaluate_photos(Session& session, const FinishedRun& run) {
  const RunContext& context = session.context();
  const Dataset dataset = read_validation(run.config.data, context.backend.host_threads(),
                                          context.observer, context.stop);
  check_classes(run, dataset.classes);
  const std::size_t numbers = run.config.data.views.size() * run.head.features.count();  // a photo
  check_memory("Evaluation", 4.0 * static_cast<double>(dataset.samples.size() * numbers),
               "name fewer images");
  std::vector<float> values;
  std::vector<std::uint32_t> labels;
  std::vector<std::string> files;
  {
    const Stage stage(context.observer, "features", dataset.samples.size(), "images");
    Photos photos;
    photos.count = dataset.samples.size();
    photos.path = [&](std::size_t i) { return dataset.root / dataset.samples[i].file; };
    photos.content = [&](std::size_t i) { return dataset.samples[i].content; };
    photos.stop_at_bad = run.config.data.on_bad_image == OnBadImage::stop;
    photos.begin = [&] { values.reserve(photos.count * numbers); };
    photos.good = [&](std::span<const std::size_t> good, FeatureView rows) {
      values.insert(values.end(), rows.data, rows.row(rows.rows));
      for (const std::size_t photo : good) {
        labels.push_back(dataset.samples[photo].label);
        files.push_back(dataset.samples[photo].file);
      }
      context.observer.advance(good.back() + 1);
    };
    photos.bad = [&](std::size_t photo, const std::string& reason) {
      context.observer.warn(fmt::format("{} could not be decoded and is skipped: {}",
                                        shown(photos.path(photo)), reason));
    };
    compute_features(session, run, photos,
                     "use the settings that it was trained with, or run `graft run` again");
  }
  if (labels.empty()) {
    throw Error(ErrorKind::data,
                fmt::format("no image of {} could be decoded", shown(dataset.root)));
  }
  LabelledFeatures set;
  set.views = run.config.data.views.size();
  set.features = {values.data(), labels.size() * set.views, run.head.features.count()};
  set.labels = labels;
  set.files = files;
  return judge(session, run.head, set).evaluation;
}

}  // namespace

Evaluation evaluate_job(const FinishedRun& run, Observer& observer, std::stop_token stop) {
  const std::optional<FeatureSet> stored = open_stored(run.config, observer);
  Session session(run.config, {}, observer, std::move(stop),
                  stored ? Session::Uses::head_only : Session::Uses::backbone);
  if (!stored) return evaluate_photos(session, run);
  check_key(run, stored->key(), "run `graft train` again");
  check_classes(run, stored->classes());
  return judge(session, run.head, labelled(*stored)).evaluation;
}

}  // namespace graft
