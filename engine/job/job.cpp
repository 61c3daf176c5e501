#include "engine/job/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <future>
#include <mutex>
#include <set>
#include <utility>

#include "engine/base/background.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/folder_lock.h"
#include "engine/base/json.h"
#include "engine/base/launcher.h"
#include "engine/base/memory.h"
#include "engine/base/result_folder.h"
#include "engine/base/text.h"
#include "engine/config/config_file.h"
#include "engine/dataset/dataset.h"
#include "engine/features/features.h"
#include "engine/features/shard_folders.h"
#include "engine/head/set_checks.h"
#include "engine/job/session.h"
#include "kernels/cpu/thread_pool.h"

namespace graft {
namespace {

const std::vector<std::string> set_names = {"train", "validation"};

std::filesystem::path features_folder(const Config& config) {
  return config.output / "features";
}

// A folder of results, created and locked.
FolderLock begun(const std::filesystem::path& folder, const Config& config, Observer& observer) {
  refuse_output_among_images(config);
  make_folder(folder);
  return FolderLock(folder, [&](const std::string& sentence) { observer.warn(sentence); });
}

// The output folder, begun. What killed jobs left is in order.
class OutputFolder {
 public:
  OutputFolder(const Config& config, const JobHooks& hooks, Observer& observer)
      : config_text_(effective_config(config)),
        output_(config.output),
        lock_(begun(output_, config, observer)) {
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
  const std::string config_text_;
  const std::filesystem::path output_;
  const FolderLock lock_;
};

// Throws Error(data) unless they are the features that the config asks for.
FeatureSet open_features(Session& session, const std::string& name) {
  auto [set, change] = open_stored(session, name);
  if (change.empty()) return std::move(set);
  throw Error(ErrorKind::data,
              "the features in {} are not those that the config asks for: {}; `graft run` extracts "
              "these and trains",
              shown(features_folder(session.config())), change);
}

// The check of refuse_output_among_images for folders that were found behind links.
void refuse_output_among(const Datasets& datasets, const Config& config) {
  const std::filesystem::path& validation =
      config.data.validation.empty() ? config.data.train : config.data.validation;
  std::set<std::filesystem::path> folders;
  for (const auto& [set, source] : {std::pair(&datasets.train, &config.data.train),
                                    std::pair(&datasets.validation, &validation)}) {
    if (is_csv_file(*source)) continue;
    for (const Sample& sample : set->samples)
      folders.insert((set->root / sample.file).parent_path());
  }
  for (const std::filesystem::path& folder : folders) refuse_output_in(folder, config.output);
}

// The photos of a job and what is known of their rows: of all photos, with the shards that exist, or
// of one shard.
struct Photos {
  Photos(const Config& config, Observer& observer, const Shard* of = nullptr)
      : shard(of), shards(shard_folders(features_folder(config))) {
    std::mutex one_at_a_time;
    const auto warn = [&](const std::string& sentence) {
      const std::lock_guard lock(one_at_a_time);
      observer.warn(sentence);
    };
    std::vector<std::future<void>> attempts;  // together, because a lock may need seconds
    for (ShardFolder& one : shards) {
      // Of as many shards, each has other photos.
      if (shard != nullptr) one.has_rows = one.shard.count != shard->count;
      if (shard != nullptr || !may_be_unfinished(one, set_names)) continue;
      attempts.push_back(start_work([&warn, &path = one.path, &lock = locks.emplace_back()] {
        lock.emplace(path, warn);
        recover_features(path, set_names);
      }));
    }
    for (std::future<void>& one : attempts) one.get();
  }

  const Shard* shard;
  std::vector<ShardFolder> shards;
  std::deque<std::optional<FolderLock>> locks;  // of unfinished shards: nobody continues them
  std::optional<KeptFiles> kept;
  Datasets sets;
};

Reading reading_into(Photos& photos, const Config& config, bool verify, const JobHooks& hooks) {
  return [&, verify](Observer& observer, std::stop_token stop) {
    if (hooks.tracer != nullptr) hooks.tracer->name_thread("reader");
    const TraceSpan span(hooks.tracer, "read the folders");
    const std::size_t threads = config.threads == 0 ? cpu::available_cores() : config.threads;
    std::size_t readers = 1;  // on this machine
    if (photos.shard != nullptr)
      readers = local_size(process_environment().variable).value_or(photos.shard->count);
    photos.kept.emplace(available_memory() / 4 / std::max<std::size_t>(readers, 1));
    KnownFiles known;
    if (photos.shard == nullptr && !verify)
      known = known_files(photos.shards, set_names, feature_settings(config), observer);
    photos.sets = read_datasets(config.data, threads, observer, std::move(stop),
                                {&*photos.kept, known.empty() ? nullptr : &known, photos.shard});
    refuse_output_among(photos.sets, config);
  };
}

void extract(Photos& photos, const std::filesystem::path& folder, Session& session,
             const JobHooks& hooks) {
  const RunContext& context = session.context();
  const TraceSpan span(context.tracer, "extract");
  ExtractionRequest request{folder,
                            {},
                            session.pipeline_options(),
                            session.weights().digest,
                            session.numerics(),
                            feature_settings(session.config()),
                            &*photos.kept};
  request.shards = photos.shards;
  request.is_shard = photos.shard != nullptr;
  for (const auto& [name, set] : {std::pair(set_names[0], &photos.sets.train),
                                  std::pair(set_names[1], &photos.sets.validation)})
    if (photos.shard == nullptr || !set->samples.empty()) request.sets.push_back({name, set});
  const auto counts = extract_features(request, context, [&]() -> Backbone& {
    Backbone& backbone = session.backbone();
    if (hooks.saves_work) hooks.saves_work(true);
    return backbone;
  });
  if (hooks.saves_work) hooks.saves_work(false);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    context.observer.note(fmt::format("features/{}: {} computed, {} reused, {} resumed, {} skipped",
                                      request.sets[i].name, counts[i].computed, counts[i].reused,
                                      counts[i].resumed, counts[i].skipped));
  }
}

void extract_all(Photos& photos, const OutputFolder& folder, Session& session,
                 const JobHooks& hooks) {
  folder.write_config_of_features(false);
  extract(photos, features_folder(session.config()), session, hooks);
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
  return {
      .image_size = config.data.image_size,
      .preprocess = config.data.preprocess,
      .batch_size = config.backbone.batch_size,
      .precision = enum_named<Precision>(name_of(config.backbone.precision)).value_or(automatic),
      .autotune = config.backbone.autotune,
      .cache = config.cache,
      .algorithm = config.backbone.algorithm,
      .features = config.features.source};
}

std::optional<Evaluation> run_job(const Config& config, Steps steps, const JobHooks& hooks,
                                  Observer& observer, std::stop_token stop, bool verify) {
  const OutputFolder folder(config, hooks, observer);
  std::optional<Photos> photos;
  if (steps != Steps::train) photos.emplace(config, observer);
  Session session(config, hooks, observer, std::move(stop),
                  photos ? reading_into(*photos, config, verify, hooks) : Reading());
  if (photos) {
    if (steps == Steps::all)
      check_class_weights(config.train.class_weights, photos->sets.train.classes);
    extract_all(*photos, folder, session, hooks);
    photos.reset();
  }
  if (steps == Steps::extract) return std::nullopt;
  session.free_backbone();  // its memory is for the classifier now
  return train(config, folder, session);
}

void extract_shard_job(const Config& config, const Shard& shard, const JobHooks& hooks,
                       Observer& observer, std::stop_token stop) {
  const std::filesystem::path folder = shard_folder(features_folder(config), shard);
  const FolderLock lock = begun(folder, config, observer);
  if (hooks.folder_locked) hooks.folder_locked(folder);
  recover_features(folder, set_names);
  Photos photos(config, observer, &shard);
  Session session(config, hooks, observer, std::move(stop),
                  reading_into(photos, config, false, hooks));
  if (photos.sets.train.samples.empty() && photos.sets.validation.samples.empty())
    return observer.note(fmt::format("no photo is of shard {}", shard.text()));
  extract(photos, folder, session, hooks);
}

CrossValidation crossvalidate_job(const Config& config, std::size_t folds, std::size_t seeds,
                                  const JobHooks& hooks, Observer& observer, std::stop_token stop,
                                  bool verify) {
  const OutputFolder folder(config, hooks, observer);
  Photos photos(config, observer);
  Session session(config, hooks, observer, std::move(stop),
                  reading_into(photos, config, verify, hooks));
  check_class_weights(config.train.class_weights, photos.sets.train.classes);
  check_folds(photos.sets, folds);
  extract_all(photos, folder, session, hooks);
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
