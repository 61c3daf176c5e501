#pragma once
// Settings of a run as plain values with their defaults. Names and nesting are those of the JSON;
// keys.h has the range of each. A Config that load_config() returns is valid.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace graft {

// Each enum has one table of names, in the order of its values.
enum class Resize { nearest, bilinear, bicubic, lanczos };
constexpr std::array<std::string_view, 4> names_of(Resize) {
  return {"nearest", "bilinear", "bicubic", "lanczos"};
}
enum class Preprocess { rescale, caffe, torch };
constexpr std::array<std::string_view, 3> names_of(Preprocess) {
  return {"rescale", "caffe", "torch"};
}
// A photo as it is after resizing, or a copy that is flipped left to right, flipped upside down, or
// both.
enum class View { original, horizontal, vertical, rotate180 };
constexpr std::array<std::string_view, 4> names_of(View) {
  return {"original", "horizontal", "vertical", "rotate180"};
}
enum class OnBadImage { stop, skip };
constexpr std::array<std::string_view, 2> names_of(OnBadImage) {
  return {"stop", "skip"};
}
enum class Gray16 { high_byte, clip };
constexpr std::array<std::string_view, 2> names_of(Gray16) {
  return {"high_byte", "clip"};
}
// Storage of the backbone's activations, and what the factors of its products are rounded to.
// fp32 never uses TF32.
enum class Precision { fp32, tf32, fp16, bf16 };
constexpr std::array<std::string_view, 4> names_of(Precision) {
  return {"fp32", "tf32", "fp16", "bf16"};
}
// Of a config. "auto" is what suits the device.
enum class PrecisionChoice { automatic, fp32, tf32, fp16, bf16 };
constexpr std::array<std::string_view, 5> names_of(PrecisionChoice) {
  return {"auto", "fp32", "tf32", "fp16", "bf16"};
}
// How the backbone's convolutions are computed.
enum class ConvolutionAlgorithm { automatic, winograd, direct };
constexpr std::array<std::string_view, 3> names_of(ConvolutionAlgorithm) {
  return {"auto", "winograd", "direct"};
}

// A layer whose output can be features: a block of the backbone, after its max-pool.
enum class Layer { block1, block2, block3, block4, block5 };
constexpr std::array<std::string_view, 5> names_of(Layer) {
  return {"block1", "block2", "block3", "block4", "block5"};
}
// What is kept of a layer's feature map: all of it, or statistics of each channel.
enum class Pooling { none, average, max, average_max };
constexpr std::array<std::string_view, 4> names_of(Pooling) {
  return {"none", "average", "max", "average_max"};
}
enum class Normalize { none, rms, standard };
constexpr std::array<std::string_view, 3> names_of(Normalize) {
  return {"none", "rms", "standard"};
}
enum class Schedule { linear, constant };
constexpr std::array<std::string_view, 2> names_of(Schedule) {
  return {"linear", "constant"};
}

template <typename Enum>
concept NamedEnum = std::is_enum_v<Enum> && requires(Enum value) {
  names_of(value);
};

template <NamedEnum Enum>
constexpr std::string_view name_of(Enum value) {
  return names_of(value).at(static_cast<std::size_t>(value));
}

template <NamedEnum Enum>
constexpr std::optional<Enum> enum_named(std::string_view name) {
  const auto names = names_of(Enum{});
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return static_cast<Enum>(i);
  return std::nullopt;
}

struct ImageSize {
  std::uint32_t height = 150;
  std::uint32_t width = 150;
  auto operator<=>(const ImageSize&) const = default;
};

struct DataConfig {
  std::filesystem::path train;       // a folder with one sub-folder per class, or a CSV file
  std::filesystem::path validation;  // the same; empty when `train` is split
  double validation_split = 0.0;     // share of `train`, [0, 1); 0: use `validation`
  ImageSize image_size;              // JSON: [height, width]
  Resize resize = Resize::bilinear;
  Preprocess preprocess = Preprocess::caffe;
  std::vector<View> views = {View::original};  // rows of features of each photo, ascending
  OnBadImage on_bad_image = OnBadImage::stop;
  bool exif_orientation = false;         // turn the picture upright as its EXIF tag says
  Gray16 gray16 = Gray16::high_byte;     // 16-bit gray to 8: its high byte, or clipped at 255
  bool fast_decode = false;              // libjpeg shrinks large JPEGs while it decodes them
  std::size_t decode_memory_mib = 2048;  // of all threads; JSON: pipeline.decode_memory_mib
};

struct BackboneConfig {
  std::string name = "vgg16";
  std::filesystem::path weights;
  std::size_t batch_size = 0;                              // 0 (JSON: "auto"): the device decides
  PrecisionChoice precision = PrecisionChoice::automatic;  // JSON: "auto"
  ConvolutionAlgorithm algorithm = ConvolutionAlgorithm::automatic;  // JSON: "auto"
  bool autotune = false;  // time the candidates for each convolution on the device, once
};

struct PipelineConfig {
  std::size_t depth = 0;  // batches in flight on the device; 0 (JSON: "auto"): the device decides
};

// The features of an image: for each layer, first to last, its feature map, or with pooling the
// averages of its channels, the maxima, or both in this order.
struct FeatureSource {
  std::vector<Layer> layers = {Layer::block5};  // ascending; more than one needs pooling
  Pooling pooling = Pooling::none;
  bool operator==(const FeatureSource&) const = default;
};

struct FeaturesConfig {
  FeatureSource source;  // JSON: features.layers, features.pooling
  Normalize normalize = Normalize::rms;
  std::size_t memory_budget_mib = 2048;  // larger features are read by mmap in training
};

struct HeadConfig {
  std::vector<std::size_t> hidden = {256};  // units of each Dense + ReLU + Dropout; may be empty
  double dropout = 0.5;                     // share of hidden values set to 0 in training, [0, 1)
};

struct OptimizerConfig {
  std::string type = "rmsprop";
  double learning_rate = 1e-3;
  Schedule schedule = Schedule::linear;
  double rho = 0.9;
  double epsilon = 1e-7;
  bool epsilon_inside_sqrt = true;  // g / sqrt(a + eps), Keras 3; else g / (sqrt(a) + eps)
};

// The factor of a photo's loss in training, by its class.
struct ClassWeights {
  enum class Kind { none, balanced, given } kind = Kind::none;  // JSON: "none", "balanced", {…}
  std::vector<std::pair<std::string, double>> given;            // class, weight; the others have 1
};

struct TrainConfig {
  std::size_t epochs = 20;
  std::size_t batch_size = 16;
  OptimizerConfig optimizer;
  ClassWeights class_weights;
};

struct Config {
  std::string device = "auto";  // cpu | cuda | cuda:N | cuda:local | auto
  std::uint64_t seed = 1;
  std::filesystem::path output = "runs/graft";
  std::size_t threads = 0;      // 0: one per core
  std::filesystem::path cache;  // execution plans of cuDNN; empty: not kept
  DataConfig data;
  BackboneConfig backbone;
  PipelineConfig pipeline;
  FeaturesConfig features;
  HeadConfig head;
  TrainConfig train;
};

}  // namespace graft
