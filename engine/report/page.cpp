// The values that the template report.html takes. The markup is there. Here is what is counted and
// drawn from many values.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "engine/config/keys.h"
#include "engine/image/image.h"
#include "engine/image/image_file.h"
#include "engine/report/fill.h"
#include "engine/report/report.h"
#include "report_html.h"

namespace graft {
namespace {

constexpr std::size_t most_mistakes = 60;
constexpr std::size_t widest_matrix = 30;  // classes; above, the confused pairs are listed
constexpr std::size_t most_curves = 6;     // classes with a ROC curve
constexpr std::size_t bins = 20;
constexpr std::uint32_t thumbnail_side = 160;  // pixels of the longer side, at most

std::string setting_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::vector<std::string> elements;
  for (const Json& element : value) elements.push_back(setting_text(element));
  return fmt::format("{}", fmt::join(elements, ", "));
}

// Each under its own path, and all in the list "settings". Without paths of files, and what changes
// no result.
void add_settings(Json& page, Config config) {
  constexpr std::string_view skipped =
      "device threads pipeline.depth pipeline.decode_memory_mib "
      "features.memory_budget_mib";
  for (const ConfigKey& key : keys_of(config)) {
    if (std::holds_alternative<std::filesystem::path*>(key.member)) continue;
    if (skipped.find(key.path) != std::string_view::npos) continue;
    const std::string value = setting_text(value_of(key));
    page[Json::json_pointer('/' + replace_all(key.path, ".", "/"))] = value;
    page["settings"].push_back({{"key", key.path}, {"value", value}, {"text", key.text}});
  }
  const std::filesystem::path& train = config.data.train;
  const bool says_little = train.filename() == "train";  // the folder around it says more
  page["folder"] =
      (says_little ? train.parent_path().filename() / "train" : train.filename()).string();
  page["title"] = config.output.filename().string();
  page["pixels"] =
      fmt::format("{} × {}", config.data.image_size.height, config.data.image_size.width);
}

double share(std::uint64_t part, std::uint64_t all) {
  return static_cast<double>(part) / static_cast<double>(all);
}

void add_classes(Json& page, const PageInput& input) {
  const Evaluation& evaluation = input.evaluation;
  const std::size_t count = evaluation.classes.size();
  page["matrix"] = count <= widest_matrix;
  for (std::size_t label = 0; label < count; ++label) {
    Json& row = page["classes"][label];
    row["training"] = std::ranges::count(input.training_labels, label);
    for (std::size_t predicted = 0; predicted < count && count <= widest_matrix; ++predicted) {
      const std::uint64_t images = evaluation.confusion[label][predicted];
      const char* kind = images == 0 ? "none" : label == predicted ? "right" : "wrong";
      const double of_class = images == 0 ? 0.0 : share(images, evaluation.classes[label].count);
      row["cells"].push_back({{"count", images}, {"share", of_class}, {"kind", kind}});
    }
  }
}

// RFC 4648.
std::string base64(std::string bytes) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::size_t missing = (3 - bytes.size() % 3) % 3;
  bytes.append(missing, '\0');
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t bits = 0;
    for (const char byte : bytes.substr(at, 3))
      bits = bits << 8U | static_cast<unsigned char>(byte);
    for (const unsigned shift : {18U, 12U, 6U, 0U}) text += digits[bits >> shift & 63U];
  }
  return text.replace(text.size() - missing, missing, missing, '=');
}

// The photo as a small JPEG without metadata: EXIF may hold a place.
std::string picture_of(const std::filesystem::path& photo, const DataConfig& data) {
  MemoryBudget budget = decoding_budget(data);
  const ImageFile file = read_image_file(photo, data, ImageUse::decode, budget, {});
  const Image image = decode_image(
      file.bytes, {data.exif_orientation, data.gray16, ImageSize{thumbnail_side, thumbnail_side}});
  const double scale =
      std::min(1.0, static_cast<double>(thumbnail_side) / std::max(image.width, image.height));
  const auto scaled = [&](std::uint32_t side) {
    return static_cast<std::uint32_t>(std::max(1L, std::lround(side * scale)));
  };
  Image small = {scaled(image.width), scaled(image.height), {}};
  small.rgb.resize(std::size_t{small.width} * small.height * 3);
  resize_image(image, Resize::bilinear, {small.height, small.width}, small.rgb);
  return base64(encode_jpeg(small, 80));
}

void add_pictures(Json& images, const PageInput& input) {
  for (Json& image : images) {
    image["is_right"] = image["class"] == image["predicted"];
    image["jpeg"] = nullptr;
    try {
      image["jpeg"] =
          picture_of(input.photos / image["file"].get<std::string>(), input.config.data);
    } catch (const Error&) {  // moved, deleted or damaged since: the page says so
    }
  }
}

// Of the points of a line, in shares from the lower left corner, those far enough from each other to
// be seen: half a pixel of 256.
struct Line {
  double x = -1, y = -1;  // of the last point
  std::string points = {};

  void add(double to_x, double to_y) {
    if (std::abs(to_x - x) + std::abs(to_y - y) < 0.5 / 256) return;
    x = to_x;
    y = to_y;
    points += fmt::format("{:.4f},{:.4f} ", x, y);
  }
};

// Of two classes the curves of the second, of more those of the classes with the lowest AUC.
void add_rankings(Json& page, const PageInput& input) {
  const std::vector<ClassReport>& classes = input.evaluation.classes;
  std::vector<std::uint32_t> order;
  for (std::uint32_t label = classes.size() == 2 ? 1 : 0; label < classes.size(); ++label) {
    if (classes[label].auc) order.push_back(label);
  }
  std::ranges::stable_sort(order, {}, [&](std::uint32_t label) { return *classes[label].auc; });
  order.resize(std::min(order.size(), most_curves));
  page["rankings"] = Json::array();
  for (const std::uint32_t label : order) {
    Line roc, precision;
    roc.add(0, 0);
    const std::vector<Cut> cuts = cuts_of(input.probabilities, input.labels, classes.size(), label);
    for (const Cut& cut : cuts) {
      const double recall = share(cut.of_class, cuts.back().of_class);
      roc.add(share(cut.others, cuts.back().others), recall);
      precision.add(recall, share(cut.of_class, cut.of_class + cut.others));
    }
    page["rankings"].push_back({{"name", classes[label].name},
                                {"auc", *classes[label].auc},
                                {"style", page["rankings"].size()},
                                {"roc", roc.points},
                                {"precision", precision.points}});
  }
}

// Of two classes the probability of the second: up the photos of that class, down the others. Of more
// classes that of the prediction: up the right ones, down the wrong ones.
void add_histogram(Json& page, const Evaluation& evaluation) {
  std::array<std::uint64_t, bins> up = {}, down = {};
  for (const EvaluatedImage& image : evaluation.ranked) {
    const bool is_first = evaluation.classes.size() == 2 && image.predicted == 0;
    const float probability = is_first ? 1 - image.probability : image.probability;
    const auto bin = std::min(static_cast<std::size_t>(probability * bins), bins - 1);
    ++((image.predicted == image.label) != is_first ? up : down)[bin];
  }
  const std::uint64_t most = std::max(std::ranges::max(up), std::ranges::max(down));
  page["most_of_a_bin"] = most;
  for (std::size_t bin = 0; bin < bins; ++bin) {
    page["bins"].push_back({{"from", share(bin, bins)},
                            {"to", share(bin + 1, bins)},
                            {"up", up[bin]},
                            {"down", down[bin]},
                            // Roots: one photo of many is seen.
                            {"up_height", std::sqrt(share(up[bin], most))},
                            {"down_height", std::sqrt(share(down[bin], most))}});
  }
}

}  // namespace

std::string report_page(const PageInput& input) {
  const Evaluation& evaluation = input.evaluation;
  Json page = evaluation_values(evaluation);
  page.update(curve_values(input.history, evaluation.baseline_accuracy));
  add_settings(page, input.config);
  page["is_page"] = true;
  page["training_photos"] = grouped(input.training_labels.size());
  page["validation_photos"] = grouped(evaluation.count);
  page["class_count"] = evaluation.classes.size();
  page["is_binary"] = evaluation.classes.size() == 2;
  page["first_class"] = evaluation.classes[0].name;
  page["second_class"] = evaluation.classes[1].name;
  if (const auto& best = evaluation.best_threshold) {  // 9 digits are between any two floats
    page["best_threshold"]["threshold"] = fmt::format("{:.9g}", best->value);
  }
  page["low"] = evaluation.accuracy_95.low;
  page["high"] = evaluation.accuracy_95.high;
  Json& mistakes = page["mistakes"];
  page["mistake_count"] = mistakes.size();
  page["has_mistakes"] = !mistakes.empty();
  if (mistakes.size() > most_mistakes)
    mistakes.erase(mistakes.begin() + most_mistakes, mistakes.end());
  page["mistakes_shown"] = mistakes.size();
  add_pictures(mistakes, input);
  add_pictures(page["least_certain"], input);
  add_classes(page, input);
  add_rankings(page, input);
  add_histogram(page, evaluation);
  return fill(report_html, page);
}

}  // namespace graft
