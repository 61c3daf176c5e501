#include "engine/job/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "engine/backend/backend.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/json.h"
#include "engine/dataset/dataset.h"
#include "engine/features/features.h"
#include "engine/head/trainer.h"
#include "engine/job/session.h"
#include "engine/weights/vgg16_weights.h"

namespace graft {

namespace {

std::filesystem::path features_folder(const Config& config) {
  return config.output / "features";
}

std::filesystem::path head_file(const Config& config, bool best) {
  return config.output / (best ? "head_best.safetensors" : "head.safetensors");
}

FeatureSet open_features(const Config& config, const std::string& name) {
  return FeatureSet::open(features_folder(config), name, config.features.memory_budget_mib << 20U);
}

void write_classes(const Config& config, const std::vector<std::string>& classes) {
  Json json;
  json["classes"] = classes;
  write_file_whole(config.output / "classes.json", json.dump(1) + "\n");
}

void extract(const Config& config, Session& session) {
  const RunContext& context = session.context();
  const TraceSpan span(context.tracer, "extract");
  const Datasets datasets = [&] {
    const TraceSpan reading(context.tracer, "read the folders");
    return read_datasets(config.data, context.backend.host_threads(), context.observer,
                         context.stop);
  }();
  const BackboneOptions& options = session.backbone_options(
      std::max(datasets.train.samples.size(), datasets.validation.samples.size()));
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

JobResult train(const Config& config, Session& session) {
  const TraceSpan span(session.context().tracer, "train");
  const FeatureSet training = open_features(config, "train");
  const FeatureSet validation = open_features(config, "validation");
  JobResult result;
  result.history = train_head(session.context(), labelled(training), labelled(validation), config,
                              config.output);
  write_file_whole(config.output / "curves.svg",
                   curves_svg(result.history, config.output.filename().string()));
  return result;
}

std::unique_ptr<Head> ready_head(const Config& config, Backend& backend,
                                 const TrainedHead& trained) {
  HeadOptions options = head_options(config, trained.features.count(), trained.classes.size());
  options.hidden.clear();
  HeadState state;
  state.parameters = trained.parameters;
  for (const DenseParameters& dense : trained.parameters) {
    state.mean_squares.push_back({dense.inputs, dense.outputs,
                                  std::vector<float>(dense.kernel.size()),
                                  std::vector<float>(dense.bias.size())});
    options.hidden.push_back(dense.outputs);
  }
  options.hidden.pop_back();  // the last Dense is the output
  std::unique_ptr<Head> head = backend.make_head(options);
  head->set_state(state);
  return head;
}

// A head is valid for features with the key that it was trained on.
void check_key(const std::filesystem::path& head, const FeatureKey& trained, const FeatureKey& now,
               const std::string& advice) {
  const std::string change = describe_input_change(trained, now);
  if (change.empty()) return;
  throw Error(ErrorKind::usage, fmt::format("{} was trained on other features than these: {}; {}",
                                            head.string(), change, advice));
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
                    head_file(config, best).string(), features_folder(config).string()));
  }
  const std::unique_ptr<Head> head = ready_head(config, session.backend(), trained);
  std::vector<float> probabilities(validation.view().rows * trained.classes.size());
  head->predict(validation.view(), probabilities);
  Evaluation evaluation =
      summarise(head->evaluate(validation.view(), validation.labels()), probabilities,
                validation.labels(), validation.files(), trained.classes);
  if (session.context().stop.stop_requested()) {
    throw Error(ErrorKind::interrupted, "interrupted; the evaluation was not written");
  }
  write_file_whole(config.output / (best ? "evaluation_best.json" : "evaluation.json"),
                   evaluation_json(evaluation));
  return evaluation;
}

// The files below a folder argument, or the argument itself, in the order given.
std::vector<std::string> expand_inputs(const std::vector<std::filesystem::path>& inputs) {
  std::vector<std::string> files;
  for (const std::filesystem::path& input : inputs) {
    if (!std::filesystem::is_directory(input)) {
      files.push_back(input.string());
      continue;
    }
    const std::vector<std::string> inside = list_images(input);
    if (inside.empty()) {
      throw Error(
          ErrorKind::data,
          fmt::format("there is no image below {}; name a folder of png, jpg, jpeg, bmp, ppm, "
                      "tif or tiff files, or the files themselves",
                      input.string()));
    }
    for (const std::string& file : inside) files.push_back((input / file).string());
  }
  return files;
}

std::size_t most_probable(std::span<const float> probabilities) {
  // Two classes: exactly .5 is class 0, as in training's accuracy; max_element takes the first.
  return static_cast<std::size_t>(std::max_element(probabilities.begin(), probabilities.end()) -
                                  probabilities.begin());
}

}  // namespace

void extract_job(const Config& config, const JobHooks& hooks, Observer& observer,
                 std::stop_token stop) {
  const FolderLock lock = lock_output(config, hooks);
  Session session(config, hooks, observer, std::move(stop));
  extract(config, session);
}

JobResult train_job(const Config& config, const JobHooks& hooks, Observer& observer,
                    std::stop_token stop) {
  const FolderLock lock = lock_output(config, hooks);
  Session session(config, hooks, observer, std::move(stop), Session::Uses::head_only);
  return train(config, session);
}

Evaluation evaluate_job(const Config& config, bool best, Observer& observer, std::stop_token stop) {
  const FolderLock lock = lock_output(config, {});
  Session session(config, {}, observer, std::move(stop), Session::Uses::head_only);
  return evaluate(config, best, session);
}

JobResult run_job(const Config& config, const JobHooks& hooks, Observer& observer,
                  std::stop_token stop) {
  const FolderLock lock = lock_output(config, hooks);
  Session session(config, hooks, observer, std::move(stop));
  extract(config, session);
  session.free_backbone();  // its memory is for the classifier now
  JobResult result = train(config, session);
  result.evaluation = evaluate(config, false, session);
  return result;
}

PredictionReport predict_job(const Config& config, const std::vector<std::filesystem::path>& inputs,
                             bool best,
                             const std::function<void(const std::vector<std::string>&)>& classes,
                             const std::function<void(const Prediction&)>& prediction,
                             Observer& observer, std::stop_token stop) {
  const TrainedHead trained = load_head(head_file(config, best));
  const std::vector<std::string> files = expand_inputs(inputs);

  Config fitted = config;
  fitted.backbone.batch_size =
      std::min(config.backbone.batch_size, std::max<std::size_t>(files.size(), 1));
  Session session(fitted, {}, observer, std::move(stop));
  const BackboneOptions& options = session.backbone_options(files.size());
  PipelineRequest request;
  request.options = session.pipeline_options();
  request.images = files.size();
  request.path = [&](std::size_t i) { return files[i]; };
  check_key(head_file(config, best), trained.key,
            feature_key(config.data, session.weights().digest, session.backend().numerics(options),
                        request.options.shape()),
            "use the settings that it was trained with, or run `graft run` again");
  const std::unique_ptr<Head> head = ready_head(config, session.backend(), trained);

  PredictionReport report;
  report.classes = trained.classes;
  classes(trained.classes);
  const std::size_t count = trained.classes.size();
  std::vector<float> probabilities;
  request.sink = [&](const FeatureBatch& batch) {
    probabilities.resize(batch.features.rows * count);
    if (batch.features.rows > 0) head->predict(batch.features, probabilities);
    for (std::size_t i = 0, row = 0; i < batch.bad_reasons.size(); ++i) {
      const std::string& file = files[batch.first + i];
      if (!batch.bad_reasons[i].empty()) {
        report.bad.emplace_back(file, batch.bad_reasons[i]);
        continue;
      }
      const std::span<const float> values(&probabilities[count * row++], count);
      prediction({file, trained.classes[most_probable(values)], {values.begin(), values.end()}});
    }
    report.predicted += batch.features.rows;
  };
  run_pipeline(request, session.context(), session.backbone());
  return report;
}

}  // namespace graft
