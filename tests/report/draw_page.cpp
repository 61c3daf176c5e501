// Writes the page of a run that never was, with generated photos, for page_test.py and
// browser_test.py:
//   draw_page FOLDER [key=value…]
// FOLDER gets report.html and the folder photos. Keys: classes, photos, seed, share (of right
// predictions), name (of the first class), only (one class in validation), missing (photos that are
// not written), noise (1: photos that compress badly), epochs.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/file.h"
#include "engine/image/image.h"
#include "engine/report/report.h"

namespace {

using graft::Image;

class Random {  // xorshift64*, Vigna 2016
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2654435761U + 88172645463325252U) {}
  double operator()() {
    state_ ^= state_ >> 12U;
    state_ ^= state_ << 25U;
    state_ ^= state_ >> 27U;
    return static_cast<double>((state_ * 2685821657736338717U) >> 11U) * 0x1p-53;
  }

 private:
  std::uint64_t state_;
};

// A blob with as many lobes as the class has, on a gradient.
Image photo_of(std::uint32_t label, bool is_noise, Random& random) {
  const auto side = static_cast<std::uint32_t>(165 + 90 * random());
  Image image{side, static_cast<std::uint32_t>(side * (0.7 + 0.6 * random())), {}};
  const double turn = 6.28 * random(), size = 0.2 + 0.15 * random(), hue = 6.28 * random();
  const double x0 = 0.35 + 0.3 * random(), y0 = 0.35 + 0.3 * random();
  for (std::uint32_t y = 0; y < image.height; ++y) {
    for (std::uint32_t x = 0; x < image.width; ++x) {
      const double dx = 1.0 * x / image.width - x0, dy = 1.0 * y / image.height - y0;
      const double radius = size * (1 + 0.35 * std::cos((label + 2) * std::atan2(dy, dx) + turn));
      const double inside = std::clamp((radius - std::hypot(dx, dy)) * 60, 0.0, 1.0);
      for (int c = 0; c < 3; ++c) {
        const double back = 90 + 70 * dy + 25 * std::sin(hue + 2 * c + 3 * dx);
        const double front = 170 + 80 * std::sin(hue + 2.1 * c + label);
        const double grain = (is_noise ? 255 : 18) * (random() - 0.5);
        const double value = back + inside * (front - back) + grain;
        image.rgb.push_back(static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0)));
      }
    }
  }
  return image;
}

using Keys = std::map<std::string, std::string>;

std::size_t number(const Keys& keys, const char* key) {
  return std::stoul(keys.at(key));
}

struct Predictions {
  std::vector<std::string> classes, files;
  std::vector<std::uint32_t> labels;
  std::vector<float> probabilities;
};

Predictions predictions_of(const Keys& keys, Random& random) {
  Predictions result;
  const std::size_t classes = number(keys, "classes");
  result.classes = {keys.at("name")};
  while (result.classes.size() < classes)
    result.classes.push_back("class " + std::to_string(result.classes.size() + 1));
  for (std::size_t row = 0; row < number(keys, "photos"); ++row) {
    const std::size_t label =
        keys.at("only").empty() ? row * row / 3 % classes : number(keys, "only");
    result.labels.push_back(static_cast<std::uint32_t>(label));
    result.files.push_back("group " + std::to_string(row % 3) + "/" +
                           keys.at("name").substr(0, 12) + "." + std::to_string(row) + ".jpg");
    std::vector<double> weights(classes);
    double sum = 0;
    for (double& weight : weights) sum += weight = std::exp(3 * random());
    const bool is_right = random() < std::stod(keys.at("share"));
    const double boost = std::exp(9 * random()) * static_cast<double>(classes);
    weights[is_right ? label : static_cast<std::size_t>(random() * static_cast<double>(classes))] +=
        boost;
    for (const double weight : weights)
      result.probabilities.push_back(static_cast<float>(weight / (sum + boost)));
  }
  return result;
}

graft::History history_of(std::size_t epochs, Random& random) {
  graft::History history;
  for (std::size_t epoch = 1; epoch <= epochs; ++epoch) {
    const double done = std::sqrt(static_cast<double>(epoch) / static_cast<double>(epochs));
    history.push_back({0.9 - 0.8 * done + 0.05 * random(), 0.7 + 0.27 * done + 0.01 * random(),
                       0.5 - 0.3 * done + 0.06 * random(), 0.82 + 0.12 * done + 0.02 * random()});
  }
  if (epochs > 9) history[3] = {0.85, 0.78, 4.3, 0.41};  // one bad epoch
  return history;
}

// Those that the page shows, less the most confident mistakes as far as "missing" says.
void write_photos(const std::filesystem::path& folder, const graft::Evaluation& evaluation,
                  const Keys& keys, Random& random) {
  std::vector<graft::EvaluatedImage> shown = evaluation.mistakes;
  shown.resize(std::min<std::size_t>(shown.size(), 60));
  const auto& ranked = evaluation.ranked;
  shown.insert(shown.end(), ranked.rbegin(),
               ranked.rbegin() + std::min<std::ptrdiff_t>(std::ssize(ranked), 20));
  for (std::size_t index = number(keys, "missing"); index < shown.size(); ++index) {
    const Image image = photo_of(shown[index].label, number(keys, "noise") != 0, random);
    const std::filesystem::path path = folder / shown[index].file;
    std::filesystem::create_directories(path.parent_path());
    graft::write_file_whole(path, graft::encode_jpeg(image, 90));
  }
}

void draw_page(const std::filesystem::path& folder, const Keys& keys) {
  Random random(number(keys, "seed"));
  const Predictions drawn = predictions_of(keys, random);
  const std::size_t photos = drawn.labels.size();
  const graft::Evaluation evaluation =
      graft::summarise({0.21 * static_cast<double>(photos), 0, photos}, drawn.probabilities,
                       drawn.labels, drawn.files, drawn.classes);
  const graft::History history = history_of(number(keys, "epochs"), random);
  std::vector<std::uint32_t> training;
  for (std::size_t row = 0; row < 4 * photos; ++row)
    training.push_back(static_cast<std::uint32_t>(row % drawn.classes.size()));
  graft::Config config;
  config.output = "runs/shapes";
  config.data.train = keys.at("train");
  write_photos(folder / "photos", evaluation, keys, random);
  graft::write_file_whole(
      folder / "report.html",
      graft::report_page({config, history, training, evaluation, drawn.probabilities, drawn.labels,
                          folder / "photos"}));
}

}  // namespace

int main(int count, char** words) {
  try {
    Keys keys = {{"classes", "2"},    {"photos", "240"},
                 {"seed", "1"},       {"share", "0.9"},
                 {"name", "class 1"}, {"only", ""},
                 {"missing", "0"},    {"noise", "0"},
                 {"epochs", "20"},    {"train", "/somewhere/private/shapes/train"}};
    for (int i = 2; i < count; ++i) {
      const std::string word = words[i];
      keys.at(word.substr(0, word.find('='))) = word.substr(word.find('=') + 1);
    }
    draw_page(words[1], keys);
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return EXIT_FAILURE;
  }
}
