#include "tests/program/recipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <stdexcept>

#include "engine/base/file.h"
#include "engine/weights/vgg16_weights.h"
#include "tests/support/image_files.h"

namespace graft::test {
namespace {

// He's uniform distribution keeps the size of what flows through 13 layers of ReLU.
Vgg16Weights random_weights() {
  std::minstd_rand generator(16);
  Vgg16Weights weights;
  for (std::size_t i = 0; i < vgg16_convolutions; ++i) {
    const Vgg16Layer& layer = vgg16_layers[i];
    const double limit = std::sqrt(6.0 / (9.0 * static_cast<double>(layer.input_channels)));
    ConvolutionWeights& convolution = weights.layers[i];
    convolution.bias.assign(layer.output_channels, 0.0F);
    convolution.kernel.resize(9 * layer.input_channels * layer.output_channels);
    for (float& value : convolution.kernel) {
      const double unit = static_cast<double>(generator()) / std::minstd_rand::max();
      value = static_cast<float>(limit * (2.0 * unit - 1.0));
    }
  }
  weights.source = "random numbers of a test";
  return weights;
}

void write_class(const std::filesystem::path& folder, unsigned count, unsigned seed, int red,
                 int green, int blue) {
  std::filesystem::create_directories(folder);
  for (unsigned i = 0; i < count; ++i)
    write_photo(folder / fmt::format("photo {}.png", i), seed + i, red, green, blue);
}

}  // namespace

Recipe::Recipe() {
  write_class(folder_ / "train/brown", 4, 100, 160, 110, 60);
  write_class(folder_ / "train/grey", 4, 200, 120, 120, 125);
  write_class(folder_ / "validation/brown", 2, 300, 160, 110, 60);
  write_class(folder_ / "validation/grey", 2, 400, 120, 120, 125);
  std::filesystem::path weights = folder_ / "vgg16.safetensors";
  if (const auto real = vgg16_weights_file())
    weights = *real;
  else
    save_vgg16_weights(weights, random_weights());
  write_file_whole(config(), fmt::format(R"({{
  "device": "cpu", "cache": "",
  "data": {{ "train": "{0}/train", "validation": "{0}/validation", "image_size": [48, 32] }},
  "backbone": {{ "weights": "{1}", "batch_size": 3 }},
  "head": {{ "hidden": [16] }},
  "train": {{ "epochs": 2, "batch_size": 3 }}
}})",
                                         folder().string(), weights.string()));
}

std::vector<std::string> Recipe::arguments(const std::string& command, const std::string& name,
                                           const std::vector<std::string>& more) const {
  std::vector<std::string> words = {command, config().string(), "--output", output(name).string()};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

Outcome Recipe::run(const std::string& name, const std::vector<std::string>& more) const {
  return graft_program(arguments("run", name, more));
}

::testing::AssertionResult same_results(const std::filesystem::path& actual,
                                        const std::filesystem::path& expected) {
  for (const char* name :
       {"features/train.npy", "features/validation.npy", "features/train.labels.npy",
        "features/validation.labels.npy", "result/head.safetensors", "result/head_best.safetensors",
        "result/history.csv", "result/history.json"}) {
    for (const auto& folder : {actual, expected})
      if (!std::filesystem::is_regular_file(folder / name))
        return ::testing::AssertionFailure() << "there is no " << folder / name;
    if (text_of(actual / name) != text_of(expected / name))
      return ::testing::AssertionFailure()
             << name << " is not the same in " << actual << " and " << expected;
  }
  return ::testing::AssertionSuccess();
}

std::string text_of(const std::filesystem::path& path) {
  return read_text_file(path, std::uint64_t{1} << 30);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

}  // namespace graft::test
