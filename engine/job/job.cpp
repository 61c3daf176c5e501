#include "engine/job/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <stdexcept>
#include <utility>

#include "engine/backend/run_context.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/config/config_file.h"
#include "engine/dataset/dataset.h"
#include "engine/features/features.h"
#include "engine/features/pipeline.h"
#include "engine/head/set_checks.h"
#include "engine/head/trainer.h"
#include "engine/weights/vgg16_weights.h"

namespace graft {

namespace {

// Creates config.output and locks it.
FolderLock lock_output(const Config& config) {
  refuse_output_among_images(config);
  make_folder(config.output);
  return FolderLock(config.output);
}

// What the steps of a job share: the device, and the frozen network, which is made at its first use.
class Session {
 public:
  enum class Uses { backbone, head_only };
  // Makes the backend, notes the device and the weights that it uses, and calls the hook. `config`
  // and `observer` are borrowed.
  Session(const Config& config, const JobHooks& hooks, Observer& observer, std::stop_token stop,
          Uses uses = Uses::backbone)
      : config_(config),
        backend_(make_backend(config.device, config.threads,
                              [&](const std::string& sentence) { observer.note(sentence); })),
        context_{*backend_, observer, hooks.tracer, std::move(stop)} {
    observer.note(
        fmt::format("device: {}{}{}", backend_->description(),
                    config.device == "auto" ? " (chosen by \"auto\")" : "",
                    uses == Uses::backbone ? "; weights: " + shown(config.backbone.weights) : ""));
    backend_->set_tracer(hooks.tracer);
    if (hooks.backend_made) hooks.backend_made(*backend_);
  }

  const RunContext& context() const { return context_; }
  Backend& backend() { return *backend_; }

  // Read once.
  const Vgg16Weights& weights() {
    if (weights_) return *weights_;
    const std::filesystem::path& file = config_.backbone.weights;
    std::error_code failure;
    if (!std::filesystem::exists(file, failure)) {
      throw Error(
          ErrorKind::io,
          fmt::format("there is no weights file {}; tools/fetch_weights.sh downloads VGG16's "
                      "ImageNet weights",
                      shown(file)));
    }
    return weights_.emplace(load_vgg16_weights(file));
  }

  // The backbone's options for a set of at most `images`. The first call decides "auto" and notes
  // the decision.
  const BackboneOptions& backbone_options(std::size_t images) {
    if (options_) return *options_;
    BackboneOptions options = graft::backbone_options(config_);
    if (config_.backbone.batch_size == 0) {
      // A power of two, as the backend's answer is: a few images more or less do not change it, and
      // with it the key of the features.
      options.batch_size = std::bit_floor(std::max<std::size_t>(images, 1));
      options.batch_size = std::min(options.batch_size, backend_->largest_batch(options));
      context_.observer.note(
          fmt::format("batch size: {} (chosen by \"auto\")", options.batch_size));
    }
    return options_.emplace(std::move(options));
  }

  // Made once, with the options of the call before.
  Backbone& backbone() {
    if (!backbone_) {
      backbone_ = backend_->make_backbone(weights(), known_options());
      for (const std::string& warning : backend_->take_warnings()) context_.observer.note(warning);
    }
    return *backbone_;
  }

  // Frees its memory on the device.
  void free_backbone() { backbone_.reset(); }

  PipelineOptions pipeline_options() const {
    return {config_.data, known_options().batch_size, backend_->host_threads(),
            config_.pipeline.depth, config_.features.source};
  }

 private:
  // Throws std::logic_error before backbone_options().
  const BackboneOptions& known_options() const {
    if (!options_) throw std::logic_error("the backbone's options are not decided yet");
    return *options_;
  }

  const Config& config_;
  const std::unique_ptr<Backend> backend_;
  const RunContext context_;
  std::optional<Vgg16Weights> weights_;
  std::optional<BackboneOptions> options_;
  std::unique_ptr<Backbone> backbone_;
};

std::filesystem::path features_folder(const Config& config) {
  return config.output / "features";
}

std::filesystem::path head_file(const Config& config, bool best) {
  return config.output / (best ? "head_best.safetensors" : "head.safetensors");
}

// Throws Error(data) unless they are the features that the config asks for.
FeatureSet open_features(const Config& config, const std::string& name) {
  FeatureSet set =
      FeatureSet::open(features_folder(config), name, config.features.memory_budget_mib << 20U);
  const std::string change =
      describe_config_change(set.key(), set.views(), config.data, config.features.source);
  if (change.empty()) return set;
  throw Error(ErrorKind::data,
              fmt::format("the features in {} are not those that the config asks for: {}; run "
                          "`graft extract` again",
                          shown(features_folder(config)), change));
}

void write_classes(const Config& config, const std::vector<std::string>& classes) {
  Json json;
  json["classes"] = classes;
  write_file_whole(config.output / "classes.json", json.dump(1) + "\n");
}

// `check` refuses the sets of photos before the features are computed.
void extract(const Config& config, Session& session,
             const std::function<void(const Datasets&)>& check) {
  const RunContext& context = session.context();
  const TraceSpan span(context.tracer, "extract");
  const Datasets datasets = [&] {
    const TraceSpan reading(context.tracer, "read the folders");
    return read_datasets(config.data, context.backend.host_threads(), context.observer,
                         context.stop);
  }();
  check(datasets);
  const BackboneOptions& options = session.backbone_options(
      std::max(datasets.train.samples.size(), datasets.validation.samples.size()) *
      config.data.views.size());
  const ExtractionRequest request{
      features_folder(config),
      {{"train", &datasets.train}, {"validation", &datasets.validation}},
      session.pipeline_options(),
      session.weights().digest,
      context.backend.numerics(options)};
  const auto counts =
      extract_features(request, context, [&]() -> Backbone& { return session.backbone(); });
  for (std::size_t i = 0; i < counts.size(); ++i) {
    context.observer.note(fmt::format("features/{}: {} computed, {} reused, {} resumed, {} skipped",
                                      request.sets[i].name, counts[i].computed, counts[i].reused,
                                      counts[i].resumed, counts[i].skipped));
  }
  write_classes(config, datasets.train.classes);
}

void train(const Config& config, Session& session) {
  const TraceSpan span(session.context().tracer, "train");
  const FeatureSet training = open_features(config, "train");
  const FeatureSet validation = open_features(config, "validation");
  const History history = train_head(session.context(), labelled(training), labelled(validation),
                                     config, config.output);
  write_file_whole(
      config.output / "curves.svg",
      curves_svg(history, config.output.filename().string(), largest_share(validation.labels())));
}

std::unique_ptr<Head> ready_head(const Config& config, Backend& backend,
                                 const TrainedHead& trained) {
  HeadOptions options = head_options(config, trained.features.count(), trained.classes.size());
  options.hidden.clear();
  for (const DenseParameters& dense : trained.parameters) options.hidden.push_back(dense.outputs);
  options.hidden.pop_back();  // the last Dense is the output
  std::unique_ptr<Head> head = backend.make_head(options);
  head->set_state({trained.parameters, {}});
  return head;
}

// A head is valid for features with the key that it was trained on.
void check_key(const std::filesystem::path& head, const FeatureKey& trained, const FeatureKey& now,
               const std::string& advice) {
  const std::string change = describe_input_change(trained, now);
  if (change.empty()) return;
  throw Error(ErrorKind::usage, fmt::format("{} was trained on other features than these: {}; {}",
                                            shown(head), change, advice));
}

// The page of an evaluation of the last epoch.
void write_page(const Config& config, const FeatureSet& validation, const Evaluation& evaluation,
                std::span<const float> probabilities) {
  constexpr std::uint64_t longest_history = std::uint64_t{64} << 20U;  // bytes
  const History history =
      parse_history_json(read_text_file(config.output / "history.json", longest_history));
  const FeatureSet training = FeatureSet::open(features_folder(config), "train", 0);
  const std::filesystem::path& data =
      config.data.validation.empty() ? config.data.train : config.data.validation;
  const std::filesystem::path photos = is_csv_file(data) ? data.parent_path() : data;
  write_file_whole(config.output / "report.html",
                   report_page({config, history, training.labels(), evaluation, probabilities,
                                validation.labels(), photos}));
}

Evaluation evaluate(const Config& config, bool best, Session& session) {
  const TraceSpan span(session.context().tracer, "evaluate");
  const TrainedHead trained = load_head(head_file(config, best));
  const FeatureSet validation = open_features(config, "validation");
  check_key(head_file(config, best), trained.key, validation.key(), "run `graft train` again");
  if (validation.classes() != trained.classes) {
    throw Error(
        ErrorKind::data,
        fmt::format("{} was trained for other classes than {}/validation.npy has; run `graft "
                    "train` again",
                    shown(head_file(config, best)), shown(features_folder(config))));
  }
  const std::unique_ptr<Head> head = ready_head(config, session.backend(), trained);
  std::vector<float> probabilities(validation.labels().size() * trained.classes.size());
  head->predict(validation.view(), probabilities);
  Evaluation evaluation =
      summarise(head->evaluate(validation.view(), validation.labels()), probabilities,
                validation.labels(), validation.files(), trained.classes);
  if (session.context().stop.stop_requested()) {
    throw Error(ErrorKind::interrupted, "interrupted; the evaluation was not written");
  }
  write_file_whole(config.output / (best ? "evaluation_best.json" : "evaluation.json"),
                   evaluation_json(evaluation));
  if (!best) write_page(config, validation, evaluation, probabilities);
  return evaluation;
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

}  // namespace

BackboneOptions backbone_options(const Config& config) {
  BackboneOptions options;
  options.image_size = config.data.image_size;
  options.preprocess = config.data.preprocess;
  options.batch_size = config.backbone.batch_size;
  options.precision = config.backbone.precision;
  options.autotune = config.backbone.autotune;
  options.algorithm = config.backbone.algorithm;
  options.cache = config.cache;
  options.features = config.features.source;
  return options;
}

std::optional<Evaluation> run_job(const Config& config, Steps steps, const JobHooks& hooks,
                                  Observer& observer, std::stop_token stop) {
  const FolderLock lock = lock_output(config);
  if (hooks.folder_locked) hooks.folder_locked();
  Session session(config, hooks, observer, std::move(stop),
                  steps == Steps::train ? Session::Uses::head_only : Session::Uses::backbone);
  if (steps != Steps::train) {
    extract(config, session, [&](const Datasets& sets) {
      if (steps == Steps::all) check_class_weights(config.train.class_weights, sets.train.classes);
    });
  }
  if (steps == Steps::extract) return std::nullopt;
  session.free_backbone();  // its memory is for the classifier now
  train(config, session);
  if (steps == Steps::train) return std::nullopt;
  return evaluate(config, false, session);
}

CrossValidation crossvalidate_job(const Config& config, std::size_t folds, std::size_t seeds,
                                  const JobHooks& hooks, Observer& observer, std::stop_token stop) {
  const FolderLock lock = lock_output(config);
  if (hooks.folder_locked) hooks.folder_locked();
  Session session(config, hooks, observer, std::move(stop));
  extract(config, session, [&](const Datasets& sets) {
    check_class_weights(config.train.class_weights, sets.train.classes);
    check_folds(sets, folds);
  });
  session.free_backbone();
  // Mapped: their rows are copied, fold by fold.
  const FeatureSet train = FeatureSet::open(features_folder(config), "train", 0);
  const FeatureSet validation = FeatureSet::open(features_folder(config), "validation", 0);
  CrossValidation result =
      crossvalidate(session.context(), labelled(train), labelled(validation), config, folds, seeds);
  write_file_whole(config.output / "crossvalidation.json", crossvalidation_json(result));
  return result;
}

Evaluation evaluate_job(const Config& config, bool best, Observer& observer, std::stop_token stop) {
  const FolderLock lock = lock_output(config);
  Session session(config, {}, observer, std::move(stop), Session::Uses::head_only);
  return evaluate(config, best, session);
}

PredictionReport predict_job(const Config& config, const std::vector<std::filesystem::path>& inputs,
                             bool best, std::optional<double> threshold,
                             const std::function<void(const std::vector<std::string>&)>& classes,
                             const std::function<void(const Prediction&)>& prediction,
                             Observer& observer, std::stop_token stop) {
  const TrainedHead trained = load_head(head_file(config, best));
  if (threshold && (!(*threshold >= 0.0 && *threshold <= 1.0) || trained.classes.size() != 2))
    throw Error(ErrorKind::usage, fmt::format("--threshold {}: expected a number from 0 to 1 and "
                                              "two classes; this classifier has {}",
                                              *threshold, trained.classes.size()));
  const std::vector<std::string> files = expand_inputs(inputs, observer);

  const std::vector<View>& views = config.data.views;
  const std::size_t images = files.size() * views.size();
  Config fitted = config;
  fitted.backbone.batch_size =
      std::min(config.backbone.batch_size, std::max<std::size_t>(images, 1));
  Session session(fitted, {}, observer, std::move(stop));
  const BackboneOptions& options = session.backbone_options(images);
  PipelineRequest request;
  request.options = session.pipeline_options();
  request.images = images;
  request.path = [&](std::size_t i) { return files[i / views.size()]; };
  if (views != std::vector{View::original}) {
    request.view = [&](std::size_t i) { return views[i % views.size()]; };
  }
  check_key(head_file(config, best), trained.key,
            feature_key(config.data, session.weights().digest, session.backend().numerics(options),
                        request.options.shape(), config.features.source),
            "use the settings that it was trained with, or run `graft run` again");
  const std::unique_ptr<Head> head = ready_head(config, session.backend(), trained);

  PredictionReport report;
  classes(trained.classes);
  const std::size_t count = trained.classes.size();
  std::vector<float> rows;  // of photos that are not judged yet
  std::string bad;          // why one of the views of the present photo has no row
  std::vector<float> probabilities;
  request.sink = [&](const FeatureBatch& batch) {
    std::vector<std::string> good;  // photos that end in this batch
    const std::size_t columns = batch.features.columns, photo_values = views.size() * columns;
    const float* row = batch.features.data;
    for (std::size_t i = 0; i < batch.bad_reasons.size(); ++i) {
      if (batch.bad_reasons[i].empty()) {
        rows.insert(rows.end(), row, row + columns);
        row += columns;
      } else {
        bad = batch.bad_reasons[i];
      }
      if ((batch.first + i + 1) % views.size() != 0) continue;  // its last view comes later
      const std::string& file = files[(batch.first + i) / views.size()];
      if (bad.empty()) {
        good.push_back(file);
      } else {
        report.bad.emplace_back(file, std::exchange(bad, {}));
        rows.resize(good.size() * photo_values);
      }
    }
    if (good.empty()) return;
    probabilities.resize(good.size() * count);
    head->predict({rows.data(), good.size() * views.size(), columns}, probabilities);
    rows.erase(rows.begin(),
               rows.begin() + static_cast<std::ptrdiff_t>(good.size() * photo_values));
    for (std::size_t photo = 0; photo < good.size(); ++photo) {
      const std::span<const float> values(&probabilities[count * photo], count);
      prediction({good[photo],
                  trained.classes[chosen_class(values, threshold)],
                  {values.begin(), values.end()}});
    }
    report.predicted += good.size();
  };
  run_pipeline(request, session.context(), session.backbone());
  return report;
}

}  // namespace graft
