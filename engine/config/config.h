#pragma once
// What a run is asked to do, as plain values. The program parses and checks the JSON; here every
// value is already valid. Key names in the JSON are the member names, nested alike.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace graft {

enum class Resize { nearest, bilinear, bicubic, lanczos };
enum class Preprocess { rescale, caffe, torch };
enum class OnBadImage { stop, skip };
enum class Gray16 { high_byte, clip };
// Of the backbone's arithmetic: what its activations are stored in and its products are rounded to.
// fp32 never uses TF32.
enum class Precision { fp32, tf32, fp16, bf16 };
// How the backbone's convolutions are computed.
enum class ConvolutionAlgorithm { automatic, winograd, direct };

std::string_view name_of(Resize value);
std::string_view name_of(Preprocess value);
std::string_view name_of(OnBadImage value);
std::string_view name_of(Gray16 value);
std::string_view name_of(Precision value);
std::string_view name_of(ConvolutionAlgorithm value);

struct ImageSize {
  std::uint32_t height = 150;
  std::uint32_t width = 150;
  auto operator<=>(const ImageSize&) const = default;
};

struct DataConfig {
  std::filesystem::path train;       // a folder with one sub-folder per class
  std::filesystem::path validation;  // the same; empty when validation_split makes one from `train`
  double validation_split = 0.0;  // share of `train`, 0 (use `validation`) up to, not including, 1
  ImageSize image_size;           // JSON: [height, width]
  Resize resize = Resize::nearest;
  Preprocess preprocess = Preprocess::rescale;
  OnBadImage on_bad_image = OnBadImage::stop;
  bool exif_orientation = false;  // turn the picture upright as its EXIF tag says; Keras does not
  Gray16 gray16 =
      Gray16::high_byte;  // 16-bit gray to 8: its high byte, or clipped at 255 as Pillow does
  // Let libjpeg shrink large JPEGs while it decodes them: quicker, and the pixels differ a little.
  bool fast_decode = false;
};

struct BackboneConfig {
  std::string name = "vgg16";
  std::filesystem::path weights;
  std::size_t batch_size = 32;  // 0 (JSON: "auto"): the largest that the device's memory holds
  Precision precision = Precision::fp32;
  ConvolutionAlgorithm algorithm = ConvolutionAlgorithm::automatic;  // JSON: "auto"
  bool autotune = false;  // time the candidates for each convolution on the device, once
};

struct PipelineConfig {
  // Batches that are under way on the device at once; 0: as many as the device wants.
  std::size_t depth = 0;
};

struct FeaturesConfig {
  // Above this size training reads the features by mmap instead of holding them in memory.
  std::size_t memory_budget_mib = 2048;
};

struct HeadConfig {
  std::vector<std::size_t> hidden = {
      256};              // units of each hidden Dense + ReLU + Dropout; may be empty
  double dropout = 0.5;  // share of hidden values set to 0 in training, [0, 1)
};

struct OptimizerConfig {
  std::string type = "rmsprop";
  double learning_rate = 1e-3;
  double rho = 0.9;
  double epsilon = 1e-7;
  bool epsilon_inside_sqrt =
      true;  // Keras 3: g / sqrt(a + eps); false, Keras 2: g / (sqrt(a) + eps)
};

struct TrainConfig {
  std::size_t epochs = 20;
  std::size_t batch_size = 16;
  OptimizerConfig optimizer;
};

struct Config {
  std::string device = "auto";  // cpu | cuda | cuda:N | auto
  std::uint64_t seed = 1;
  std::filesystem::path output = "runs/graft";
  std::size_t threads = 0;      // 0: one per core
  std::filesystem::path cache;  // what may be made again: plans of convolutions
  DataConfig data;
  BackboneConfig backbone;
  PipelineConfig pipeline;
  FeaturesConfig features;
  HeadConfig head;
  TrainConfig train;
};

}  // namespace graft
