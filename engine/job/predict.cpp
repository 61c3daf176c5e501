#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "engine/dataset/dataset.h"
#include "engine/job/classifier.h"

namespace graft {
namespace {

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
                      shown(input)));
    }
    for (const std::string& file : inside) files.push_back((input / file).string());
  }
  return files;
}

std::size_t chosen_class(std::span<const float> probabilities, std::optional<double> threshold) {
  if (threshold) return probabilities[1] > *threshold ? 1 : 0;
  return predicted_class(probabilities);
}

}  // namespace

PredictionReport predict_job(const FinishedRun& run,
                             const std::vector<std::filesystem::path>& inputs,
                             std::optional<double> threshold,
                             const std::function<void(const std::vector<std::string>&)>& classes,
                             const std::function<void(const Prediction&)>& prediction,
                             Observer& observer, std::stop_token stop) {
  const std::vector<std::string>& names = run.head.classes;
  if (threshold && (!(*threshold >= 0.0 && *threshold <= 1.0) || names.size() != 2))
    throw Error(ErrorKind::usage, fmt::format("--threshold {}: expected a number from 0 to 1 and "
                                              "two classes; this classifier has {}",
                                              *threshold, names.size()));
  const std::vector<std::string> files = expand_inputs(inputs);
  Config fitted = run.config;
  fitted.backbone.batch_size =
      std::min(run.config.backbone.batch_size,
               std::max<std::size_t>(files.size() * run.config.data.views.size(), 1));
  Session session(fitted, {}, observer, std::move(stop));

  PredictionReport report;
  std::unique_ptr<Head> head;
  std::vector<float> probabilities;
  Photos photos;
  photos.count = files.size();
  photos.path = [&](std::size_t photo) { return files[photo]; };
  photos.good = [&](std::span<const std::size_t> good, FeatureView rows) {
    probabilities.resize(good.size() * names.size());
    head->predict(rows, probabilities);
    for (std::size_t i = 0; i < good.size(); ++i) {
      const std::span<const float> values(&probabilities[names.size() * i], names.size());
      prediction(
          {files[good[i]], names[chosen_class(values, threshold)], {values.begin(), values.end()}});
    }
    report.predicted += good.size();
  };
  photos.bad = [&](std::size_t photo, const std::string& reason) {
    report.bad.emplace_back(files[photo], reason);
  };
  photos.begin = [&] {
    head = ready_head(session, run.head);
    classes(names);
  };
  compute_features(session, run, photos,
                   "use the settings that it was trained with, or run `graft run` again");
  return report;
}

}  // namespace graft
