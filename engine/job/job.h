#pragma once
// The recipe and its parts, on one output folder. run_job and crossvalidate_job take the folder's
// lock, and collect the rows of shards (shard_folders.h). evaluate_job and predict_job only read, also
// while another job writes.

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/base/observer.h"
#include "engine/base/trace.h"
#include "engine/config/config.h"
#include "engine/dataset/shard.h"
#include "engine/head/trainer.h"
#include "engine/job/crossvalidation.h"
#include "engine/report/report.h"

namespace graft {

// The backbone of the config. `automatic`: what a precision of "auto" is on the device. A batch_size
// of 0 is still to be decided.
BackboneOptions backbone_options(const Config& config, Precision automatic);

// What the program does inside a job. All may be empty.
struct JobHooks {
  // The folder of the results exists and is locked.
  std::function<void(const std::filesystem::path&)> folder_locked;
  Tracer* tracer = nullptr;  // receives what each thread and device does; borrowed
  // True while rows are computed and saved, batch by batch; false when that is over.
  std::function<void(bool)> saves_work;
  std::function<void(Backend&)> backend_made;  // the backend outlives the last span
};

enum class Steps {
  extract,  // the folders of photos → features/*.npy
  train,    // features/*.npy → result/: classifier, history, evaluation, page (result_folder.h)
  all,      // both
};
// The evaluation of head.safetensors on the validation features, unless `steps` is extract. Training
// with other settings than those that made the features throws Error(data). `verify`: photos that shards
// have read are read again.
std::optional<Evaluation> run_job(const Config& config, Steps steps, const JobHooks& hooks,
                                  Observer& observer, std::stop_token stop, bool verify = false);

// Extracts the photos of a shard into its own folder, which alone is locked. So the shards of a config
// can be extracted by any number of processes, at any times, on any machines that share the folder.
void extract_shard_job(const Config& config, const Shard& shard, const JobHooks& hooks,
                       Observer& observer, std::stop_token stop);

// A trained classifier and the config beside it: of one set, also while another takes its place.
struct FinishedRun {
  Config config;
  std::filesystem::path head_file;
  TrainedHead head;
};
// `load` reads the config, perhaps more than once. Throws Error(usage) when config.output has no
// finished set.
FinishedRun open_run(const std::function<Config()>& load, bool best);

// Of the validation photos that the config names. Their features are the stored ones where these
// were made with the same settings; else they are computed and not stored. Writes nothing.
Evaluation evaluate_job(const FinishedRun& run, Observer& observer, std::stop_token stop);

// Extracts as Steps::extract, then cross-validates on the photos of both sets → crossvalidation.json
CrossValidation crossvalidate_job(const Config& config, std::size_t folds, std::size_t seeds,
                                  const JobHooks& hooks, Observer& observer, std::stop_token stop,
                                  bool verify = false);

struct PredictionRequest {
  std::vector<std::filesystem::path> images;  // files, and folders of them
  // Instead of `images` a stream: the next paths, up to `most`; none at its end. All paths of a call
  // are answered before the next call. The batch size is then the config's, however many there are.
  std::function<std::vector<std::string>(std::size_t most)> next;
  std::optional<double> threshold;
};
struct Prediction {
  std::string file;
  std::string error;  // why the file is not a complete image; empty: it has the rest
  std::string label;
  std::vector<float> probabilities;  // in the order of the classes
};
// Classifies image files with the same decoding and preprocessing as in training. Calls `ready`, which
// may be empty, when everything is loaded, then `predictions` with each batch, in the order of the
// paths. The label is the most probable class; with a threshold, for two classes only, it is the second
// where its probability is higher than that. Throws Error(usage) for a threshold outside [0, 1] or with
// more classes. A file that cannot be read has its error, and ends nothing.
void predict_job(const FinishedRun& run, const PredictionRequest& request,
                 const std::function<void()>& ready,
                 const std::function<void(std::span<const Prediction>)>& predictions,
                 Observer& observer, std::stop_token stop);

}  // namespace graft
