// The values that the template report.html takes. The markup is there. Here is what is counted and
// drawn from many values.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/text.h"
#include "engine/config/keys.h"
#include "engine/image/image.h"
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

// ---- What was trained on what ----

std::string setting_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::vector<std::string> elements;
  for (const Json& element : value) elements.push_back(setting_text(element));
  return fmt::format("{}", fmt::join(elements, ", "));
}

// Each under its own name, and all in the list "settings". Paths, and what changes no result, are
// not in it.
void add_settings(Json& page, Config config) {
  constexpr std::string_view skipped = "device threads pipeline.depth features.memory_budget_mib";
  for (const ConfigKey& key : keys_of(config)) {
    if (std::holds_alternative<std::filesystem::path*>(key.member)) continue;
    if (skipped.find(key.path) != std::string_view::npos) continue;
    page[key.path] = setting_text(value_of(key));
    page["settings"].push_back({{"key", key.path}, {"value", page[key.path]}, {"text", key.text}});
  }
  const std::filesystem::path& train = config.data.train;
  const bool says_little = train.filename() == "train";  // the folder around it says more
  page["data"] =
      (says_little ? train.parent_path().filename() / "train" : train.filename()).string();
  page["title"] = config.output.filename().string();
  page["pixels"] =
      fmt::format("{} × {}", config.data.image_size.height, config.data.image_size.width);
}

// ---- Classes and their confusion ----

void add_classes(Json& page, const PageInput& input) {
  const Evaluation& evaluation = input.evaluation;
  const std::size_t count = evaluation.classes.size();
  for (std::size_t label = 0; label < count; ++label) {
    Json& row = page["classes"][label];
    row["training"] = std::count(input.training_labels.begin(), input.training_labels.end(), label);
    row["cells"] = Json::array();
    for (std::size_t predicted = 0; predicted < count && count <= widest_matrix; ++predicted) {
      const std::uint64_t images = evaluation.confusion[label][predicted];
      const std::uint64_t of_class = std::max<std::uint64_t>(evaluation.classes[label].count, 1);
      row["cells"].push_back(
          {{"count", images},
           {"share", static_cast<double>(images) / static_cast<double>(of_class)},
           {"kind", images == 0          ? "none"
                    : label == predicted ? "right"
                                         : "wrong"}});
    }
  }
  page["matrix"] = count <= widest_matrix;
}

// ---- Photos ----

// RFC 4648.
std::string base64(std::string_view bytes) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(bytes.size() - at, 3);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8U | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i)
      text += i <= count ? digits[bits >> (18 - 6 * i) & 63U] : '=';
  }
  return text;
}

// The photo as a small JPEG without metadata: EXIF may hold a place.
Json picture_of(const std::filesystem::path& photo, const DataConfig& data) {
  const Image image =
      decode_image(read_file(photo, maximum_image_file_bytes),
                   {data.exif_orientation, data.gray16, ImageSize{thumbnail_side, thumbnail_side}});
  const double longer = std::max(image.width, image.height);
  const auto scaled = [&](std::uint32_t side) {
    const double exact = side * std::min(1.0, thumbnail_side / longer);
    return static_cast<std::uint32_t>(std::max(1L, std::lround(exact)));
  };
  Image small = {scaled(image.width), scaled(image.height), {}};
  small.rgb.resize(std::size_t{small.width} * small.height * 3);
  resize_image(image, Resize::bilinear, {small.height, small.width}, small.rgb);
  return {
      {"width", small.width}, {"height", small.height}, {"jpeg", base64(encode_jpeg(small, 80))}};
}

void add_pictures(Json& images, const PageInput& input) {
  for (Json& image : images) {
    image["is_right"] = image["class"] == image["predicted"];
    image["picture"] = nullptr;
    try {
      image["picture"] =
          picture_of(input.photo(image["file"].get<std::string>()), input.config.data);
    } catch (const Error&) {  // moved, deleted or damaged since: the page says so
    }
  }
}

// ---- Charts. Places are shares, from the lower left corner. ----

// Appends a point that is far enough from the last one to be seen: half a pixel of 256.
void append(Json& points, double x, double y) {
  if (!points.empty()) {
    const auto& last = points.back();
    const double distance =
        std::abs(x - last["x"].get<double>()) + std::abs(y - last["y"].get<double>());
    if (distance < 0.5 / 256) return;
  }
  points.push_back({{"x", x}, {"y", y}});
}

// Of two classes the second, with the places of .5 and the best threshold; of more the classes with
// the lowest AUC.
void add_rankings(Json& page, const PageInput& input) {
  const std::vector<ClassReport>& classes = input.evaluation.classes;
  std::vector<std::uint32_t> order;
  for (std::uint32_t label = classes.size() == 2 ? 1 : 0; label < classes.size(); ++label) {
    if (classes[label].auc) order.push_back(label);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return classes[a].auc < classes[b].auc;
  });
  order.resize(std::min(order.size(), most_curves));
  page["rankings"] = Json::array();
  for (const std::uint32_t label : order) {
    Json curve = {{"name", classes[label].name},
                  {"auc", *classes[label].auc},
                  {"style", page["rankings"].size()},
                  {"roc", Json::array({{{"x", 0.0}, {"y", 0.0}}})},
                  {"precision", Json::array()}};
    const std::vector<Cut> cuts = cuts_of(input.probabilities, input.labels, classes.size(), label);
    for (const Cut& cut : cuts) {
      const auto share = [](std::uint64_t a, std::uint64_t b) {
        return static_cast<double>(a) / static_cast<double>(b);
      };
      const double recall = share(cut.of_class, cuts.back().of_class);
      append(curve["roc"], share(cut.others, cuts.back().others), recall);
      append(curve["precision"], recall, share(cut.of_class, cut.of_class + cut.others));
    }
    page["rankings"].push_back(std::move(curve));
  }
}

// Of two classes the probability of the second: up the photos of that class, down the others. Of more
// classes that of the prediction: up the right ones, down the wrong ones.
void add_histogram(Json& page, const Evaluation& evaluation) {
  std::array<std::uint64_t, bins> up = {}, down = {};
  for (const EvaluatedImage& image : evaluation.ranked) {
    const bool is_turned = evaluation.classes.size() == 2 && image.predicted == 0;
    const float probability = is_turned ? 1 - image.probability : image.probability;
    const auto bin = std::min(static_cast<std::size_t>(probability * bins), bins - 1);
    ++((image.predicted == image.label) != is_turned ? up : down)[bin];
  }
  const std::uint64_t most = std::max(*std::max_element(up.begin(), up.end()),
                                      *std::max_element(down.begin(), down.end()));
  const auto height = [&](std::uint64_t count) {  // the root: one photo of many is seen
    return std::sqrt(static_cast<double>(count) / static_cast<double>(most));
  };
  page["most_of_a_bin"] = most;
  for (std::size_t bin = 0; bin < bins; ++bin) {
    page["bins"].push_back({{"from", static_cast<double>(bin) / bins},
                            {"to", static_cast<double>(bin + 1) / bins},
                            {"up", up[bin]},
                            {"down", down[bin]},
                            {"up_height", height(up[bin])},
                            {"down_height", height(down[bin])}});
  }
}

}  // namespace

std::string report_page(const PageInput& input) {
  const Evaluation& evaluation = input.evaluation;
  Json page = evaluation_values(evaluation);
  add_settings(page, input.config);
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
  page["panels"] = curve_panels(input.history, evaluation.baseline_accuracy);
  page["curves_summary"] = curves_summary(input.history);
  page["curves_svg"] = false;  // a section for curves_svg()
  page["mistake_count"] = evaluation.mistakes.size();
  page["has_mistakes"] = !evaluation.mistakes.empty();
  Json& mistakes = page["mistakes"];
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
