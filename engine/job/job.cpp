#include "engine/job/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/backend/backend.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
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
  nlohmann::ordered_json json;
  json["classes"] = classes;
  write_file_whole(config.output / "classes.json", json.dump(1) + "\n");
}

Datasets read_folders(const Config& config, Session& session, Tracer* tracer, Observer& observer,
                      const std::stop_token& stop) {
  const TraceSpan span(tracer, "read the folders");
  return read_datasets(config.data, session.backend().host_threads(), observer, stop);
}

void extract(const Config& config, Session& session, Tracer* tracer, Observer& observer,
             const std::stop_token& stop) {
  const TraceSpan span(tracer, "extract");
  const Datasets datasets = read_folders(config, session, tracer, observer, stop);
  make_folder(features_folder(config));
  const BackboneOptions& options = session.backbone_options(
      std::max(datasets.train.samples.size(), datasets.validation.samples.size()));
  const std::string numerics = session.backend().numerics(options);
  for (const auto& [name, dataset] :
       {std::pair{"train", &datasets.train}, std::pair{"validation", &datasets.validation}}) {
    ExtractionRequest request;
    request.folder = features_folder(config);
    request.name = name;
    request.dataset = dataset;
    request.data = config.data;
    request.batch_size = options.batch_size;
    request.decode_threads = session.backend().host_threads();
    request.pipeline_depth = config.pipeline.depth;
    request.weights = session.weights().digest;
    request.numerics = numerics;
    request.tracer = tracer;
    const ExtractionCounts counts = extract_features(
        request, session.backend(), [&]() -> Backbone& { return session.backbone(); }, observer,
        stop);
    observer.note(fmt::format("features/{}: {} computed, {} reused, {} resumed, {} skipped", name,
                              counts.computed, counts.reused, counts.resumed, counts.skipped));
  }
  write_classes(config, datasets.train.classes);
}

JobResult train(const Config& config, Session& session, Tracer* tracer, Observer& observer,
                const std::stop_token& stop) {
  const TraceSpan span(tracer, "train");
  const FeatureSet training = open_features(config, "train");
  const FeatureSet validation = open_features(config, "validation");
  JobResult result;
  result.history = train_head(session.backend(), training, validation, config, config.output,
                              observer, stop, tracer);
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

// A head is right for the features that it was trained on, and for no others.
void check_key(const std::filesystem::path& head, const FeatureKey& trained, const FeatureKey& now,
               const std::string& advice) {
  const std::string change = describe_input_change(trained, now);
  if (change.empty()) return;
  throw Error(ErrorKind::usage, fmt::format("{} was trained on other features than these: {}; {}",
                                            head.string(), change, advice));
}

Evaluation evaluate(const Config& config, bool best, Session& session,
                    const std::stop_token& stop) {
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
  if (stop.stop_requested()) {
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
  const OutputFolder folder(config, hooks);
  Session session(config, hooks, observer);
  extract(config, session, hooks.tracer, observer, stop);
}

JobResult train_job(const Config& config, const JobHooks& hooks, Observer& observer,
                    std::stop_token stop) {
  const OutputFolder folder(config, hooks);
  Session session(config, hooks, observer, Session::Uses::head_only);
  return train(config, session, hooks.tracer, observer, stop);
}

Evaluation evaluate_job(const Config& config, bool best, Observer& observer, std::stop_token stop) {
  const OutputFolder folder(config, {});
  Session session(config, {}, observer, Session::Uses::head_only);
  return evaluate(config, best, session, stop);
}

JobResult run_job(const Config& config, const JobHooks& hooks, Observer& observer,
                  std::stop_token stop) {
  const OutputFolder folder(config, hooks);
  Session session(config, hooks, observer);
  extract(config, session, hooks.tracer, observer, stop);
  session.free_backbone();  // the classifier's turn on the device
  JobResult result = train(config, session, hooks.tracer, observer, stop);
  const TraceSpan span(hooks.tracer, "evaluate");
  result.evaluation = evaluate(config, false, session, stop);
  return result;
}

PredictionReport predict_job(const Config& config, const std::vector<std::filesystem::path>& inputs,
                             bool best,
                             const std::function<void(const std::vector<std::string>&)>& classes,
                             const std::function<void(const Prediction&)>& prediction,
                             Observer& observer, std::stop_token stop) {
  const TrainedHead trained = load_head(head_file(config, best));
  PredictionRequest request;
  request.files = expand_inputs(inputs);
  request.data = config.data;

  Config fitted = config;
  fitted.backbone.batch_size =
      std::min(config.backbone.batch_size, std::max<std::size_t>(request.files.size(), 1));
  Session session(fitted, {}, observer);
  const BackboneOptions& options = session.backbone_options(request.files.size());
  request.batch_size = options.batch_size;
  request.decode_threads = session.backend().host_threads();
  request.pipeline_depth = config.pipeline.depth;
  check_key(head_file(config, best), trained.key,
            feature_key(config.data, session.weights().digest, session.backend().numerics(options),
                        vgg16_feature_shape(config.data.image_size)),
            "use the settings that it was trained with, or run `graft run` again");
  const std::unique_ptr<Head> head = ready_head(config, session.backend(), trained);

  PredictionReport report;
  report.classes = trained.classes;
  classes(trained.classes);
  const std::size_t count = trained.classes.size();
  std::vector<float> probabilities;
  stream_features(
      request, session.backend(), session.backbone(),
      [&](std::span<const std::size_t> files, FeatureView features) {
        probabilities.resize(features.rows * count);
        head->predict(features, probabilities);
        for (std::size_t row = 0; row < features.rows; ++row) {
          const std::span<const float> values(&probabilities[row * count], count);
          prediction({request.files[files[row]],
                      trained.classes[most_probable(values)],
                      {values.begin(), values.end()}});
        }
        report.predicted += features.rows;
      },
      [&](std::size_t file, const std::string& reason) {
        report.bad.emplace_back(request.files[file], reason);
      },
      stop);
  return report;
}

}  // namespace graft
