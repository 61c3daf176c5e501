// Writes the page of a run that never was, with generated photos, for page_test.py and
// browser_test.py:
//   draw_page FOLDER [key=value…]
// FOLDER gets report.html and the folder photos. Keys: classes, photos, seed, share (of right
// predictions), name (of the first class), only (one class in validation), missing (photos that are
// not written), noise (photos that compress badly).

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
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
  const auto side = static_cast<std::uint32_t>(200 + 120 * random());
  Image image{side, static_cast<std::uint32_t>(side * (0.7 + 0.6 * random())), {}};
  const double turn = 6.28 * random(), size = 0.2 + 0.15 * random(), hue = 6.28 * random();
  const double x0 = 0.35 + 0.3 * random(), y0 = 0.35 + 0.3 * random();
  for (std::uint32_t y = 0; y < image.height; ++y) {
    for (std::uint32_t x = 0; x < image.width; ++x) {
      const double dx = x / double{1.0 * image.width} - x0,
                   dy = y / double{1.0 * image.height} - y0;
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

}  // namespace

int main(int count, char** words) {
  std::map<std::string, std::string> keys = {
      {"classes", "2"}, {"photos", "240"}, {"seed", "1"},  {"share", "0.9"}, {"name", "class 1"},
      {"only", ""},     {"missing", "0"},  {"noise", "0"}, {"epochs", "20"}};
  for (int i = 2; i < count; ++i) {
    const std::string word = words[i];
    keys[word.substr(0, word.find('='))] = word.substr(word.find('=') + 1);
  }
  const auto number = [&](const char* key) { return std::stoul(keys.at(key)); };
  const std::filesystem::path folder = words[1];
  const std::size_t classes = number("classes"), photos = number("photos");
  Random random(number("seed"));

  std::vector<std::string> names = {keys.at("name")};
  while (names.size() < classes) names.push_back("class " + std::to_string(names.size() + 1));
  std::vector<std::string> files;
  std::vector<std::uint32_t> labels;
  std::vector<float> probabilities;
  const double certain = std::stod(keys.at("share"));
  for (std::size_t row = 0; row < photos; ++row) {
    labels.push_back(keys.at("only").empty() ? static_cast<std::uint32_t>(row * row / 3 % classes)
                                             : static_cast<std::uint32_t>(number("only")));
    files.push_back("group " + std::to_string(row % 3) + "/" + names[0].substr(0, 12) + "." +
                    std::to_string(row) + ".jpg");
    std::vector<double> weights(classes);
    double sum = 0;
    for (double& weight : weights) sum += weight = std::exp(3 * random());
    const std::size_t favoured =
        random() < certain ? labels.back() : static_cast<std::size_t>(random() * classes);
    const double boost = std::exp(9 * random()) * classes;
    sum += boost;
    weights[favoured] += boost;
    for (const double weight : weights) probabilities.push_back(static_cast<float>(weight / sum));
  }
  const graft::Evaluation evaluation = graft::summarise(
      {0.21 * static_cast<double>(photos), 0, photos}, probabilities, labels, files, names);

  std::filesystem::create_directories(folder / "photos");
  std::size_t place = 0;
  std::map<std::string, std::filesystem::path> paths;
  const auto photo = [&](const std::string& file) -> std::filesystem::path {
    const auto known = paths.find(file);
    if (known != paths.end()) return known->second;
    const auto row =
        static_cast<std::size_t>(std::find(files.begin(), files.end(), file) - files.begin());
    const auto path = folder / "photos" / (std::to_string(place) + ".jpg");
    if (place++ >= number("missing")) {
      const Image image = photo_of(labels[row], number("noise") != 0, random);
      graft::write_file_whole(path, graft::encode_jpeg(image, 90));
    }
    return paths[file] = path;
  };
  graft::History history;
  for (std::size_t epoch = 0; epoch < number("epochs"); ++epoch) {
    const double share = static_cast<double>(epoch + 1) / static_cast<double>(number("epochs"));
    history.push_back({0.9 - 0.8 * std::sqrt(share) + 0.05 * random(),
                       0.7 + 0.27 * std::sqrt(share) + 0.01 * random(),
                       0.5 - 0.3 * std::sqrt(share) + 0.06 * random(),
                       0.82 + 0.12 * std::sqrt(share) + 0.02 * random()});
  }
  if (history.size() > 9) history[3] = {0.85, 0.78, 4.3, 0.41};  // one bad epoch

  graft::Config config;
  config.output = "runs/shapes";
  config.data.train = "/somewhere/private/shapes/train";
  std::vector<std::uint32_t> training;
  for (std::size_t row = 0; row < 4 * photos; ++row) training.push_back(row % classes);
  graft::write_file_whole(folder / "report.html",
                          graft::report_page({config, history, training, evaluation, probabilities,
                                              labels, files, photo}));
  std::printf("%zu mistakes of %zu photos\n", evaluation.mistakes.size(), photos);
  return 0;
}
