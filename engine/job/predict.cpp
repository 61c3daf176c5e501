// The uses of a finished classifier: evaluation and prediction.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/memory.h"
#include "engine/base/result_folder.h"
#include "engine/base/text.h"
#include "engine/dataset/dataset.h"
#include "engine/features/features.h"
#include "engine/job/session.h"

namespace graft {
namespace {

std::unique_ptr<Head> ready_head(Session& session, const TrainedHead& trained) {
  HeadOptions options =
      head_options(session.config(), trained.features.count(), trained.classes.size());
  options.hidden.clear();
  for (const DenseParameters& dense : trained.parameters) options.hidden.push_back(dense.outputs);
  options.hidden.pop_back();  // the last Dense is the output
  std::unique_ptr<Head> head = session.backend().make_head(options);
  head->set_state({trained.parameters, {}});
  return head;
}

struct Photos {
  std::size_t count = 0;
  std::function<std::filesystem::path(std::size_t photo)> path;
  std::function<Digest(std::size_t photo)> content;  // as PipelineRequest::content
  bool stop_at_bad = false;
  std::function<void()> begin;  // called before the first image is read
  // Both in the order of the photos. The rows are those of all views of these photos.
  std::function<void(std::span<const std::size_t> photos, FeatureView rows)> good;
  std::function<void(std::size_t photo, const std::string& reason)> bad;
};
// Joins the views of each photo, which may be in different batches.
class PhotoSink {
 public:
  PhotoSink(const Photos& photos, std::size_t views) : photos_(photos), views_(views) {}

  void operator()(const FeatureBatch& batch) {
    std::vector<std::size_t> good;  // photos that end in this batch
    const std::size_t columns = batch.features.columns, photo_values = views_ * columns;
    const float* row = batch.features.data;
    for (std::size_t i = 0; i < batch.bad_reasons.size(); ++i) {
      if (batch.bad_reasons[i].empty()) {
        rows_.insert(rows_.end(), row, row + columns);
        row += columns;
      } else {
        bad_ = batch.bad_reasons[i];
      }
      if ((batch.first + i + 1) % views_ != 0) continue;  // its last view comes later
      const std::size_t photo = (batch.first + i) / views_;
      if (bad_.empty()) {
        good.push_back(photo);
      } else {
        photos_.bad(photo, std::exchange(bad_, {}));
        rows_.resize(good.size() * photo_values);
      }
    }
    if (good.empty()) return;
    photos_.good(good, {rows_.data(), good.size() * views_, columns});
    rows_.erase(rows_.begin(),
                rows_.begin() + static_cast<std::ptrdiff_t>(good.size() * photo_values));
  }

 private:
  const Photos& photos_;
  const std::size_t views_;
  std::vector<float> rows_;  // of photos that are not passed on yet
  std::string bad_;          // why one of the views of the present photo has no row
};

// Computes the features of photos and stores none.
void compute_features(Session& session, const FinishedRun& run, const Photos& photos) {
  const Config& config = session.config();
  const std::vector<View>& views = config.data.views;
  PipelineRequest request;
  request.images = photos.count * views.size();
  const BackboneOptions& options = session.backbone_options(request.images);
  request.options = session.pipeline_options();
  request.path = [&](std::size_t i) { return photos.path(i / views.size()); };
  if (views != std::vector{View::original}) {
    request.view = [&](std::size_t i) { return views[i % views.size()]; };
  }
  if (photos.content) {
    request.content = [&](std::size_t i) { return photos.content(i / views.size()); };
  }
  request.stop_at_bad_image = photos.stop_at_bad;
  check_key(run,
            feature_key(config.data, session.weights().digest, session.backend().numerics(options),
                        request.options.shape(), config.features.source));
  photos.begin();
  PhotoSink sink(photos, views.size());
  request.sink = [&](const FeatureBatch& batch) { sink(batch); };
  run_pipeline(request, session.context(), session.backbone());
}

// The files below a folder argument, or the argument itself, in the order given.
std::vector<std::string> expand_inputs(const std::vector<std::filesystem::path>& inputs,
                                       Observer& observer) {
  std::vector<std::string> files;
  for (const std::filesystem::path& input : inputs) {
    if (!std::filesystem::is_directory(input)) {
      files.push_back(input.string());
      continue;
    }
    const std::vector<std::string> inside = list_images(input, observer);
    for (const std::string& file : inside) files.push_back((input / file).string());
  }
  return files;
}

std::size_t chosen_class(std::span<const float> probabilities, std::optional<double> threshold) {
  if (threshold) return probabilities[1] > *threshold ? 1 : 0;
  return predicted_class(probabilities);
}

// The stored validation features, where they are those that the config asks for.
std::optional<FeatureSet> usable_features(Session& session) {
  const auto note = [&](const std::string& reason) {
    session.context().observer.note("the features are computed now and not stored: " + reason);
  };
  try {
    auto [set, change] = open_stored(session, "validation");
    if (change.empty()) return std::move(set);
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
    compute_features(session, run, photos);
  }
  if (labels.empty()) {
    throw Error(ErrorKind::data,
                fmt::format("no image of {} could be decoded", shown(dataset.root)));
  }
  session.free_backbone();  // its memory is for the classifier now
  LabelledFeatures set;
  set.views = run.config.data.views.size();
  set.features = {values.data(), labels.size() * set.views, run.head.features.count()};
  set.labels = labels;
  set.files = files;
  return judge(session, run.head, set).evaluation;
}

}  // namespace

void check_key(const FinishedRun& run, const FeatureKey& now) {
  const std::string change = describe_input_change(run.head.key, now);
  if (change.empty()) return;
  throw Error(ErrorKind::usage,
              fmt::format("{} was trained on other features than these: {}; use the settings that "
                          "it was trained with, or run `graft run` again",
                          shown(run.head_file), change));
}

FinishedRun open_run(const std::function<Config()>& load, bool best) {
  FinishedRun run;
  read_set(load().output, [&](const std::filesystem::path& set) {
    run.config = load();
    run.head_file = set / (best ? best_file : head_file);
    std::error_code failure;
    if (!std::filesystem::exists(run.head_file, failure) && !failure) {
      throw Error(ErrorKind::usage,
                  fmt::format("there is no trained classifier {}; `graft run` or `graft train` "
                              "makes it",
                              shown(run.head_file)));
    }
    run.head = load_head(run.head_file);
  });
  return run;
}

Answers judge(Session& session, const TrainedHead& trained, const LabelledFeatures& set) {
  const std::unique_ptr<Head> head = ready_head(session, trained);
  Answers answers;
  answers.probabilities.resize(set.labels.size() * trained.classes.size());
  head->predict(set.features, answers.probabilities);
  answers.evaluation = summarise(head->evaluate(set.features, set.labels), answers.probabilities,
                                 set.labels, set.files, trained.classes);
  if (session.context().stop.stop_requested()) {
    throw Error(ErrorKind::interrupted, "interrupted; the evaluation is not complete");
  }
  return answers;
}

Evaluation evaluate_job(const FinishedRun& run, Observer& observer, std::stop_token stop) {
  Session session(run.config, {}, observer, std::move(stop));
  const std::optional<FeatureSet> stored = usable_features(session);
  if (!stored) return evaluate_photos(session, run);
  check_key(run, stored->key());
  check_classes(run, stored->classes());
  return judge(session, run.head, labelled(*stored)).evaluation;
}

PredictionReport predict_job(const FinishedRun& run,
                             const std::vector<std::filesystem::path>& inputs,
                             std::optional<double> threshold,
                             const std::function<void(const std::vector<std::string>&)>& classes,
                             const std::function<void(const Prediction&)>& prediction,
                             Observer& observer, std::stop_token stop) {
  const std::vector<std::string>& names = run.head.classes;
  if (threshold && (!(*threshold >= 0.0 && *threshold <= 1.0) || names.size() != 2))
    throw Error(ErrorKind::usage, fmt::format("--threshold {}: expected a number from 0 to 1 and "
                                              "two classes; this classifier has {}",
                                              *threshold, names.size()));
  const std::vector<std::string> files = expand_inputs(inputs, observer);
  Config fitted = run.config;
  fitted.backbone.batch_size =
      std::min(run.config.backbone.batch_size,
               std::max<std::size_t>(files.size() * run.config.data.views.size(), 1));
  Session session(fitted, {}, observer, std::move(stop));

  PredictionReport report;
  std::unique_ptr<Head> head;
  std::vector<float> probabilities;
  Photos photos;
  photos.count = files.size();
  photos.path = [&](std::size_t photo) { return files[photo]; };
  photos.good = [&](std::span<const std::size_t> good, FeatureView rows) {
    probabilities.resize(good.size() * names.size());
    head->predict(rows, probabilities);
    for (std::size_t i = 0; i < good.size(); ++i) {
      const std::span<const float> values(&probabilities[names.size() * i], names.size());
      prediction(
          {files[good[i]], names[chosen_class(values, threshold)], {values.begin(), values.end()}});
    }
    report.predicted += good.size();
  };
  photos.bad = [&](std::size_t photo, const std::string& reason) {
    report.bad.emplace_back(files[photo], reason);
  };
  photos.begin = [&] {
    head = ready_head(session, run.head);
    classes(names);
  };
  compute_features(session, run, photos);
  return report;
}

}  // namespace graft
