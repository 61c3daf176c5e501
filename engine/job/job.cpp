#include "engine/job/job.h"

#include <fmt/format.h>

#include <utility>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/folder_lock.h"
#include "engine/base/json.h"
#include "engine/base/result_folder.h"
#include "engine/base/text.h"
#include "engine/config/config_file.h"
#include "engine/dataset/dataset.h"
#include "engine/features/features.h"
#include "engine/features/shard_folders.h"
#include "engine/head/set_checks.h"
#include "engine/job/extraction.h"
#include "engine/job/session.h"

namespace graft {
namespace {

// The output folder, created and locked. What killed jobs left is in order.
class OutputFolder {
 public:
  OutputFolder(const Config& config, const JobHooks& hooks, Observer& observer)
      : config_text_(effective_config(config)),
        output_(config.output),
        lock_(made(config), [&](const std::string& sentence) { observer.warn(sentence); }) {
    if (hooks.folder_locked) hooks.folder_locked(output_);
    recover_sets(output_);
    recover_features(features_folder(config), set_names);
  }

  // Into next/.
  void write_config() const {
    make_folder(next_set(output_));
    write_file_whole(next_set(output_) / "config.json", config_text_);
  }
  // A folder that has no set yet, only features: so that it can be named as CONFIG.
  void write_config_of_features(bool over_another) const {
    const auto may_exist = [](const std::filesystem::path& path) {
      std::error_code failure;
      return std::filesystem::exists(path, failure) || failure;
    };
    const std::filesystem::path next = next_set(output_);
    if (may_exist(finished_set(output_)) || may_exist(next / checkpoint_file)) return;
    if (over_another || !may_exist(next / "config.json")) write_config();
  }

 private:
  static const std::filesystem::path& made(const Config& config) {
    refuse_output_among_images(config);
    make_folder(config.output);
    return config.output;
  }

  const std::string config_text_;
  const std::filesystem::path output_;
  const FolderLock lock_;
};

// Throws Error(data) unless they are the features that the config asks for.
FeatureSet open_features(Session& session, const std::string& name) {
  auto [set, change] = open_stored(session, name);
  if (change.empty()) return std::move(set);
  throw Error(ErrorKind::data,
              fmt::format("the features in {} are not those that the config asks for: {}; `graft "
                          "run` extracts these and trains",
                          shown(features_folder(session.config())), change));
}

void extract(Extraction& extraction, const OutputFolder& folder, Session& session) {
  folder.write_config_of_features(false);
  extraction.write(session);
  folder.write_config_of_features(true);
}

// The drawings and figures of a head that is trained.
void write_reports(const std::filesystem::path& set, const Config& config, const History& history,
                   const FeatureSet& training, const FeatureSet& validation,
                   const Answers& answers) {
  write_file_whole(set / "curves.svg", curves_svg(history, config.output.filename().string(),
                                                  answers.evaluation.baseline_accuracy));
  write_file_whole(set / "evaluation.json", evaluation_json(answers.evaluation));
  const std::filesystem::path& data =
      config.data.validation.empty() ? config.data.train : config.data.validation;
  const std::filesystem::path photos = is_csv_file(data) ? data.parent_path() : data;
  write_file_whole(set / page_file,
                   report_page({config, history, training.labels(), answers.evaluation,
                                answers.probabilities, validation.labels(), photos}));
}

// Makes the set in next/ and publishes it.
Evaluation train(const Config& config, const OutputFolder& folder, Session& session) {
  const FeatureSet training = open_features(session, set_names[0]);
  const FeatureSet validation = open_features(session, set_names[1]);
  const std::filesystem::path next = next_set(config.output),
                              finished = finished_set(config.output);
  bool is_new = false;
  const auto begin = [&] {
    is_new = true;
    folder.write_config();
    write_file_whole(next / "classes.json", Json{{"classes", training.classes()}}.dump(1) + "\n");
  };
  const History history = [&] {
    const TraceSpan span(session.context().tracer, "train");
    return train_head(session.context(), labelled(training), labelled(validation), config,
                      {next, finished, begin});
  }();
  const TraceSpan span(session.context().tracer, "evaluate");
  const TrainedHead head = load_head((is_new ? next : finished) / head_file);
  Answers answers = judge(session, head, labelled(validation));
  if (is_new) {
    write_reports(next, config, history, training, validation, answers);
    publish_set(config.output);
  }
  return std::move(answers.evaluation);
}

}  // namespace

BackboneOptions backbone_options(const Config& config, Precision automatic) {
  BackboneOptions options;
  options.image_size = config.data.image_size;
  options.preprocess = config.data.preprocess;
  options.batch_size = config.backbone.batch_size;
  options.precision = enum_named<Precision>(name_of(config.backbone.precision)).value_or(automatic);
  options.autotune = config.backbone.autotune;
  options.algorithm = config.backbone.algorithm;
  options.cache = config.cache;
  options.features = config.features.source;
  return options;
}

std::optional<Evaluation> run_job(const Config& config, Steps steps, bool verify,
                                  const JobHooks& hooks, Observer& observer, std::stop_token stop) {
  const OutputFolder folder(config, hooks, observer);
  std::optional<Extraction> extraction;
  if (steps != Steps::train) extraction.emplace(config, nullptr, verify, hooks, observer);
  Session session(config, hooks, observer, std::move(stop),
                  extraction ? extraction->reading() : Reading());
  if (extraction) {
    if (steps == Steps::all)
      check_class_weights(config.train.class_weights, extraction->sets().train.classes);
    extract(*extraction, folder, session);
    extraction.reset();
  }
  if (steps == Steps::extract) return std::nullopt;
  session.free_backbone();  // its memory is for the classifier now
  return train(config, folder, session);
}

void extract_shard_job(const Config& config, const Shard& shard, const JobHooks& hooks,
                       Observer& observer, std::stop_token stop) {
  const std::filesystem::path folder = shard_folder(features_folder(config), shard);
  refuse_output_among_images(config);
  make_folder(folder);
  const FolderLock lock(folder, [&](const std::string& sentence) { observer.warn(sentence); });
  if (hooks.folder_locked) hooks.folder_locked(folder);
  recover_features(folder, set_names);
  Extraction extraction(config, &shard, false, hooks, observer);
  Session session(config, hooks, observer, std::move(stop), extraction.reading());
  if (extraction.sets().train.samples.empty() && extraction.sets().validation.samples.empty())
    return observer.note(fmt::format("no photo is of shard {}", shard.text()));
  extraction.write(session);
}

CrossValidation crossvalidate_job(const Config& config, std::size_t folds, std::size_t seeds,
                                  bool verify, const JobHooks& hooks, Observer& observer,
                                  std::stop_token stop) {
  const OutputFolder folder(config, hooks, observer);
  Extraction extraction(config, nullptr, verify, hooks, observer);
  Session session(config, hooks, observer, std::move(stop), extraction.reading());
  check_class_weights(config.train.class_weights, extraction.sets().train.classes);
  check_folds(extraction.sets(), folds);
  extract(extraction, folder, session);
  session.free_backbone();
  // Mapped: their rows are copied, fold by fold.
  const FeatureSet train = FeatureSet::open(features_folder(config), set_names[0], 0);
  const FeatureSet validation = FeatureSet::open(features_folder(config), set_names[1], 0);
  CrossValidation result =
      crossvalidate(session.context(), labelled(train), labelled(validation), config, folds, seeds);
  write_file_whole(config.output / "crossvalidation.json", crossvalidation_json(result, config));
  return result;
}

}  // namespace graft
