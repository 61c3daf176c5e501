// The uses of a finished classifier: evaluation and prediction.

#include <fmt/format.h>

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

// Of a stream of paths: decoding and arithmetic overlap in a group of batches.
constexpr std::size_t batches_at_once = 16;

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

// Joins the views of each photo, which may be in different batches. Passes photos on in their order,
// some at a time: the first one, the reasons, the rows of all views.
class PhotoSink {
 public:
  PhotoSink(const PipelineRequest& photos, std::size_t views) : photos_(photos), views_(views) {}

  void operator()(const FeatureBatch& batch) {
    FeatureBatch ended{batch.first / views_, {}, {}};  // photos that end in this batch
    std::size_t good = 0;
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
      if (bad_.empty()) ++good;
      rows_.resize(good * photo_values);  // without the rows of a bad photo
      ended.bad_reasons.push_back(std::exchange(bad_, {}));
    }
    if (ended.bad_reasons.empty()) return;
    ended.features = {rows_.data(), good * views_, columns};
    photos_.sink(ended);
    rows_.erase(rows_.begin(), rows_.begin() + static_cast<std::ptrdiff_t>(good * photo_values));
  }

 private:
  const PipelineRequest& photos_;
  const std::size_t views_;
  std::vector<float> rows_;  // of photos that are not passed on yet
  std::string bad_;          // why one of the views of the present photo has no row
};

// check_key of session.h, and notes where only the arithmetic differs.
void check_key(const FinishedRun& run, const FeatureKey& now, Observer& observer) {
  check_key(run, now);
  const std::string rounding = describe_change(run.head.key, now);
  if (rounding.empty()) return;
  observer.note("the features are rounded differently from those in training: " + rounding);
}

// Throws Error(usage) unless the head was trained on the features that the backbone gives.
void check_features(Session& session, const FinishedRun& run) {
  const Config& config = session.config();
  check_key(run,
            feature_key(config.data, session.weights().digest, session.numerics(),
                        session.pipeline_options().shape(), config.features.source),
            session.context().observer);
}

// Computes the features of photos and stores none. `photos`: as if each had one row, without options.
void compute_features(Session& session, const PipelineRequest& photos) {
  const std::vector<View>& views = session.config().data.views;
  PhotoSink sink(photos, views.size());
  PipelineRequest request = photos;
  request.options = session.pipeline_options();
  request.images *= views.size();
  request.path = [&](std::size_t i) { return photos.path(i / views.size()); };
  if (views != std::vector{View::original}) {
    request.view = [&](std::size_t i) { return views[i % views.size()]; };
  }
  if (photos.content) {
    request.content = [&](std::size_t i) { return photos.content(i / views.size()); };
  }
  request.sink = [&](const FeatureBatch& batch) { sink(batch); };
  run_pipeline(request, session.context(), session.backbone());
}

// The files below a folder argument, or the argument itself, in the order given.
std::vector<std::string> expand_inputs(const std::vector<std::filesystem::path>& inputs,
                                       Observer& observer) {
  std::vector<std::string> files;
  for (const std::filesystem::path& input : inputs) {
    std::error_code failure;  // then the file has its reason
    if (!std::filesystem::is_directory(input, failure)) {
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
  throw Error(ErrorKind::data,
              "{} was trained for the classes {}, and the images have {}; evaluate images of the "
              "same classes, or run `graft run` again",
              shown(run.head_file),
              printable(fmt::format("{}", fmt::join(run.head.classes, ", ")), 300),
              printable(fmt::format("{}", fmt::join(classes, ", ")), 300));
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
    PipelineRequest photos;
    photos.images = dataset.samples.size();
    photos.path = [&](std::size_t i) { return dataset.root / dataset.samples[i].file; };
    photos.content = [&](std::size_t i) { return dataset.samples[i].content; };
    photos.stop_at_bad_image = run.config.data.on_bad_image == OnBadImage::stop;
    photos.sink = [&](const FeatureBatch& batch) {
      values.insert(values.end(), batch.features.data, batch.features.row(batch.features.rows));
      std::size_t photo = batch.first;
      for (const std::string& bad_reason : batch.bad_reasons) {
        if (bad_reason.empty()) {
          labels.push_back(dataset.samples[photo].label);
          files.push_back(dataset.samples[photo].file);
        } else {
          context.observer.warn(fmt::format("{} could not be decoded and is skipped: {}",
                                            shown(photos.path(photo)), bad_reason));
        }
        ++photo;
      }
      context.observer.advance(photo);
    };
    check_features(session, run);
    values.reserve(photos.images * numbers);
    compute_features(session, photos);
  }
  if (labels.empty()) {
    throw Error(ErrorKind::data, "no image of {} could be decoded", shown(dataset.root));
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
              "{} was trained on other features than these: {}; use the settings that it was "
              "trained with, or run `graft run` again",
              shown(run.head_file), change);
}

FinishedRun open_run(const std::function<Config()>& load, bool best) {
  FinishedRun run;
  read_set(load().output, [&](const std::filesystem::path& set) {
    run.config = load();
    run.head_file = set / (best ? best_file : head_file);
    std::error_code failure;
    if (!std::filesystem::exists(run.head_file, failure) && !failure) {
      throw Error(ErrorKind::usage,
                  "there is no trained classifier {}; `graft run` or `graft train` makes it",
                  shown(run.head_file));
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
  head->set_validation_data(set.features, set.labels);
  answers.evaluation =
      summarise(head->evaluate(), answers.probabilities, set.labels, set.files, trained.classes);
  if (session.context().stop.stop_requested()) {
    throw Error(ErrorKind::interrupted, "interrupted; the evaluation is not complete");
  }
  return answers;
}

Evaluation evaluate_job(const FinishedRun& run, Observer& observer, std::stop_token stop) {
  Session session(run.config, {}, observer, std::move(stop));
  const std::optional<FeatureSet> stored = usable_features(session);
  if (!stored) return evaluate_photos(session, run);
  check_key(run, stored->key(), session.context().observer);
  check_classes(run, stored->classes());
  return judge(session, run.head, labelled(*stored)).evaluation;
}

void predict_job(const FinishedRun& run, const PredictionRequest& request,
                 const std::function<void()>& ready,
                 const std::function<void(std::span<const Prediction>)>& predictions,
                 Observer& observer, std::stop_token stop) {
  const std::vector<std::string>& classes = run.head.classes;
  const std::optional<double>& threshold = request.threshold;
  if (threshold && (!(*threshold >= 0.0 && *threshold <= 1.0) || classes.size() != 2))
    throw Error(
        ErrorKind::usage,
        "--threshold {}: expected a number from 0 to 1 and two classes; this classifier has {}",
        *threshold, classes.size());
  std::vector<std::string> files = expand_inputs(request.images, observer);
  Session session(run.config, {}, observer, std::move(stop));
  check_features(session, run);
  const std::unique_ptr<Head> head = ready_head(session, run.head);
  session.backbone();
  if (ready) ready();

  std::vector<float> probabilities;
  PipelineRequest photos;
  photos.path = [&](std::size_t photo) { return files[photo]; };
  photos.unreadable_is_bad = true;
  photos.sink = [&](const FeatureBatch& batch) {
    const FeatureView& rows = batch.features;
    probabilities.resize(rows.rows / run.config.data.views.size() * classes.size());
    if (rows.rows > 0) head->predict(rows, probabilities);
    const float* values = probabilities.data();
    std::vector<Prediction> answers;
    for (const std::string& bad_reason : batch.bad_reasons) {
      Prediction& one = answers.emplace_back();
      one.file = files[batch.first + answers.size() - 1];
      one.error = bad_reason;
      if (!bad_reason.empty()) continue;
      one.probabilities.assign(values, values + classes.size());
      one.label = classes[chosen_class(one.probabilities, threshold)];
      values += classes.size();
    }
    predictions(answers);
  };
  const std::size_t most = batches_at_once * session.pipeline_options().batch_size;
  do {
    if (request.next) files = request.next(most);
    photos.images = files.size();
    compute_features(session, photos);
  } while (request.next && !files.empty());
}

}  // namespace graft
