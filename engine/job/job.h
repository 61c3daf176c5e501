#pragma once
// The recipe and its parts, on one output folder. Each takes the folder's lock, except predict_job,
// which only reads.

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/base/observer.h"
#include "engine/base/trace.h"
#include "engine/config/config.h"
#include "engine/job/crossvalidation.h"
#include "engine/report/report.h"

namespace graft {

// The backbone of the config; a batch_size of 0 is still to be decided.
BackboneOptions backbone_options(const Config& config);

// What the program does inside a job. All may be empty.
struct JobHooks {
  std::function<void()> folder_locked;  // the output folder exists and is locked
  Tracer* tracer = nullptr;             // receives what each thread and device does; borrowed
  // True while rows are computed and saved, batch by batch; false when that is over.
  std::function<void(bool)> saves_work;
  std::function<void(Backend&)> backend_made;  // the backend outlives the last span
};

enum class Steps {
  extract,  // the folders of photos → features/*.npy, classes.json
  train,    // features/*.npy → head.safetensors, head_best.safetensors, history.*, curves.svg
  all,  // both, then head.safetensors on the validation features → evaluation.json, report.html
};
// The evaluation is that of Steps::all.
std::optional<Evaluation> run_job(const Config& config, Steps steps, const JobHooks& hooks,
                                  Observer& observer, std::stop_token stop);
// head.safetensors on the validation features → evaluation.json and report.html; head_best →
// evaluation_best.json
Evaluation evaluate_job(const Config& config, bool best, Observer& observer, std::stop_token stop);

// Extracts as Steps::extract, then cross-validates on the photos of both sets → crossvalidation.json
CrossValidation crossvalidate_job(const Config& config, std::size_t folds, std::size_t seeds,
                                  const JobHooks& hooks, Observer& observer, std::stop_token stop);

struct Prediction {
  std::string file;
  std::string label;
  std::vector<float> probabilities;  // in the order of the classes
};
struct PredictionReport {
  std::size_t predicted = 0;
  std::vector<std::pair<std::string, std::string>> bad;  // file, reason
};
// Classifies image files with the head in config.output, with the same decoding and preprocessing
// as in training. `classes` is called once before the first prediction. The label is the most
// probable class; with a threshold, for two classes only, it is the second where its probability is
// higher than that. Throws Error(usage) for a threshold outside [0, 1] or with more classes.
PredictionReport predict_job(const Config& config, const std::vector<std::filesystem::path>& inputs,
                             bool best, std::optional<double> threshold,
                             const std::function<void(const std::vector<std::string>&)>& classes,
                             const std::function<void(const Prediction&)>& prediction,
                             Observer& observer, std::stop_token stop);

}  // namespace graft
