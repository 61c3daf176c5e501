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
#include "engine/head/history.h"
#include "engine/report/report.h"

namespace graft {

struct JobResult {
  History history;
  std::optional<Evaluation> evaluation;
};

// What the program does inside a job. All may be empty.
struct JobHooks {
  std::function<void()> folder_locked;  // the output folder exists and is locked
  Tracer* tracer = nullptr;             // receives what each thread and device does; borrowed
  std::function<void(Backend&)> backend_made;  // the backend outlives the last span
};

// read the folders → features/*.npy, classes.json
void extract_job(const Config& config, const JobHooks& hooks, Observer& observer,
                 std::stop_token stop);
// features/*.npy → head.safetensors, head_best.safetensors, history.*, curves.svg
JobResult train_job(const Config& config, const JobHooks& hooks, Observer& observer,
                    std::stop_token stop);
// head.safetensors (or head_best) on the validation features → evaluation.json
Evaluation evaluate_job(const Config& config, bool best, Observer& observer, std::stop_token stop);
// extract, train, evaluate, report
JobResult run_job(const Config& config, const JobHooks& hooks, Observer& observer,
                  std::stop_token stop);

struct Prediction {
  std::string file;
  std::string label;
  std::vector<float> probabilities;  // in the order of the classes
};
struct PredictionReport {
  std::vector<std::string> classes;
  std::size_t predicted = 0;
  std::vector<std::pair<std::string, std::string>> bad;  // file, reason
};
// Classifies image files with the head in config.output, with the same decoding and preprocessing
// as in training. `classes` is called once before the first prediction.
PredictionReport predict_job(const Config& config, const std::vector<std::filesystem::path>& inputs,
                             bool best,
                             const std::function<void(const std::vector<std::string>&)>& classes,
                             const std::function<void(const Prediction&)>& prediction,
                             Observer& observer, std::stop_token stop);

}  // namespace graft
