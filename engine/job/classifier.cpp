#include "engine/job/classifier.h"

#include <fmt/format.h>

#include <utility>

#include "engine/base/error.h"
#include "engine/base/result_folder.h"
#include "engine/base/text.h"
#include "engine/features/pipeline.h"

namespace graft {
namespace {

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

}  // namespace

FinishedRun open_run(const std::function<Config()>& load, bool best) {
  FinishedRun run;
  read_set(load().output, [&](const std::filesystem::path& set) {
    run.config = load();
    run.head_file = set / (best ? best_file : head_file);
    std::error_code failure;
    if (!std::filesystem::exists(run.head_file, failure)) {
      throw Error(ErrorKind::usage,
                  fmt::format("there is no trained classifier {}; `graft run` or `graft train` "
                              "makes it",
                              shown(run.head_file)));
    }
    run.head = load_head(run.head_file);
  });
  return run;
}

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

void check_key(const FinishedRun& run, const FeatureKey& now, const std::string& advice) {
  const std::string change = describe_input_change(run.head.key, now);
  if (change.empty()) return;
  throw Error(ErrorKind::usage, fmt::format("{} was trained on other features than these: {}; {}",
                                            shown(run.head_file), change, advice));
}

void compute_features(Session& session, const FinishedRun& run, const Photos& photos,
                      const std::string& advice) {
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
                        request.options.shape(), config.features.source),
            advice);
  photos.begin();
  PhotoSink sink(photos, views.size());
  request.sink = [&](const FeatureBatch& batch) { sink(batch); };
  run_pipeline(request, session.context(), session.backbone());
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

}  // namespace graft
