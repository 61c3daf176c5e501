// The table of keys. Its order is that of `graft config explain` and of config.json.

#include <fmt/format.h>

#include <regex>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "tools/graft/key_kinds.h"

namespace graft::program {
namespace {

void add_top_keys(std::vector<Key>& keys) {
  constexpr double two_to_53 = 9007199254740992.0;  // every integer up to here is a double
  constexpr Range gpu_numbers{0, 255};
  keys.push_back(with_number(
      text_choice(
          "device", {"cpu", "cuda", "auto"},
          "What computes. \"cuda\" is the first GPU that CUDA_VISIBLE_DEVICES leaves, \"cuda:1\" "
          "the "
          "second; without it the run ends with exit code 5. \"auto\" takes the first GPU when "
          "there is one that this build can use, else the CPU, and says which and why.",
          [](auto& c) -> auto& { return c.device; }),
      "cuda", gpu_numbers));
  keys.push_back(integer(
      "seed", {0, two_to_53},
      "Where all randomness comes from: the first weights, the order of the rows, "
      "dropout. The same config and seed give the same bytes.",
      [](auto& c) -> auto& { return c.seed; }));
  keys.push_back(path_of(
      "output",
      "The folder for everything that is made; created when it is not there. One "
      "run at a time may use it.",
      [](auto& c) -> auto& { return c.output; }));
  keys.push_back(integer(
      "threads", {0, 1024},
      "Threads of the CPU. 0: one for each core that the process may run on. The "
      "results do not depend on it.",
      [](auto& c) -> auto& { return c.threads; }));
  keys.push_back(with_fallback(
      may_be_empty(path_of(
          "cache",
          "The folder for what may be made again at any time: the plans of a GPU's convolutions, "
          "and a CPU's transformed weights where they cannot be written beside the weights. \"\": "
          "nothing is kept, neither there nor beside the weights.",
          [](auto& c) -> auto& { return c.cache; })),
      "${GRAFT_CACHE}"));
}

void add_data_keys(std::vector<Key>& keys) {
  keys.push_back(required(path_of(
      "data.train",
      "The folder of the training images: one sub-folder for each class, named after it. Classes "
      "are numbered in the order of their names.",
      [](auto& c) -> auto& { return c.data.train; })));
  keys.push_back(may_be_empty(path_of(
      "data.validation",
      "The folder of the validation images, with the same sub-folders. Exactly one of this and "
      "`data.validation_split` must be given.",
      [](auto& c) -> auto& { return c.data.validation; })));
  keys.push_back(number(
      "data.validation_split", {0.0, 1.0, true, false},
      "The share of `data.train` to keep for validation when there is no folder of its own. A file "
      "stays on its side when others are added or removed; each class gives its share.",
      [](auto& c) -> auto& { return c.data.validation_split; }));
  keys.push_back(image_size(
      "data.image_size", {32, 4096},
      "The [height, width] that every image is resized to, in pixels, without keeping its "
      "proportions (as Keras does).",
      [](auto& c) -> auto& { return c.data.image_size; }));
  keys.push_back(enum_choice<Resize>(
      "data.resize", {Resize::nearest, Resize::bilinear, Resize::bicubic, Resize::lanczos},
      "The filter of the resizing, the same to the pixel as Pillow's. \"nearest\" is the default "
      "of "
      "Keras' ImageDataGenerator.",
      [](auto& c) -> auto& { return c.data.resize; }));
  keys.push_back(enum_choice<Preprocess>(
      "data.preprocess", {Preprocess::rescale, Preprocess::caffe, Preprocess::torch},
      "What happens to the pixels before the network. \"rescale\": divided by 255. \"caffe\": BGR, "
      "minus ImageNet's mean (what VGG16 was trained with). \"torch\": divided by 255, then "
      "ImageNet's mean and deviation for each channel.",
      [](auto& c) -> auto& { return c.data.preprocess; }));
  keys.push_back(enum_choice<OnBadImage>(
      "data.on_bad_image", {OnBadImage::stop, OnBadImage::skip},
      "What to do with a file that is no whole image. \"stop\": end with exit code 3 and name it, "
      "before the long work where the header shows it. \"skip\": leave it out and list it.",
      [](auto& c) -> auto& { return c.data.on_bad_image; }));
  keys.push_back(boolean(
      "data.exif_orientation",
      "Whether to turn photos upright as their EXIF tag says. Keras does not.",
      [](auto& c) -> auto& { return c.data.exif_orientation; }));
  keys.push_back(enum_choice<Gray16>(
      "data.gray16", {Gray16::high_byte, Gray16::clip},
      "How 16-bit gray becomes 8-bit. \"high_byte\" keeps the picture; \"clip\" cuts at 255 as "
      "Pillow does, which leaves most such pictures white.",
      [](auto& c) -> auto& { return c.data.gray16; }));
  keys.push_back(boolean(
      "data.fast_decode",
      "Whether to let the JPEG decoder shrink a photo that is much larger than `data.image_size` "
      "while it decodes it: quicker, and other pixels than Keras'. Train and predict with the "
      "same.",
      [](auto& c) -> auto& { return c.data.fast_decode; }));
}

void add_backbone_keys(std::vector<Key>& keys) {
  keys.push_back(text_choice(
      "backbone.name", {"vgg16"}, "The frozen network. Its last plane is the features.",
      [](auto& c) -> auto& { return c.backbone.name; }));
  keys.push_back(required(path_of(
      "backbone.weights",
      "The file of its weights: .safetensors, Keras .h5 or .onnx. `graft weights import` makes a "
      ".safetensors of the others, which is read at once.",
      [](auto& c) -> auto& { return c.backbone.weights; })));
  keys.push_back(integer_or(
      "auto", "backbone.batch_size", {1, 1024},
      "Images that go through the backbone together. More takes more memory; what an image gives "
      "does not depend on the others of its batch. On a CPU 1 is computed in another way, quicker "
      "for one image, whose last digits differ. \"auto\": the largest power of two that fits the "
      "device's free memory (a CPU takes 32), and no more than there are images.",
      [](auto& c) -> auto& { return c.backbone.batch_size; }));
  keys.push_back(enum_choice<Precision>(
      "backbone.precision", {Precision::fp32, Precision::tf32, Precision::fp16, Precision::bf16},
      "The arithmetic of the backbone. \"fp32\" uses no TF32. The others need a GPU: quicker where "
      "it "
      "has tensor cores, and less exact. The features are float32 whichever it is.",
      [](auto& c) -> auto& { return c.backbone.precision; }));
  keys.push_back(enum_choice<ConvolutionAlgorithm>(
      "backbone.algorithm",
      {ConvolutionAlgorithm::automatic, ConvolutionAlgorithm::winograd,
       ConvolutionAlgorithm::direct},
      "How a CPU computes the convolutions. \"winograd\": a third of the multiplications or "
      "fewer. \"direct\": all of them, slower, to compare with. \"auto\" is \"winograd\". "
      "Either gives the features within 5e-6 of the largest. A GPU takes \"auto\" only, which "
      "leaves the choice to cuDNN.",
      [](auto& c) -> auto& { return c.backbone.algorithm; }));
  keys.push_back(boolean(
      "backbone.autotune",
      "Whether to time the ways to compute each convolution on the GPU and keep the quickest in "
      "`cache`, once for each GPU, size and precision; else cuDNN's first proposal is taken. A CPU "
      "has one way.",
      [](auto& c) -> auto& { return c.backbone.autotune; }));
}

void add_pipeline_keys(std::vector<Key>& keys) {
  keys.push_back(integer_or(
      "auto", "pipeline.depth", {0, 16},
      "Batches that are under way on the device at once, so that copies and arithmetic overlap. "
      "\"auto\", or 0: as many as the device wants. Each takes host memory for its images and "
      "features.",
      [](auto& c) -> auto& { return c.pipeline.depth; }));
}

void add_features_keys(std::vector<Key>& keys) {
  keys.push_back(integer(
      "features.memory_budget_mib", {0, 1048576},
      "Features up to this size (MiB) are held in memory for training; larger "
      "ones are read from the file as they are needed.",
      [](auto& c) -> auto& { return c.features.memory_budget_mib; }));
}

void add_head_keys(std::vector<Key>& keys) {
  keys.push_back(integers(
      "head.hidden", 8, {1, 65536},
      "Units of each hidden layer (dense, ReLU, dropout) of the classifier, "
      "first to last. []: none, a linear classifier.",
      [](auto& c) -> auto& { return c.head.hidden; }));
  keys.push_back(number(
      "head.dropout", {0.0, 1.0, true, false},
      "The share of each hidden layer's values that is set to 0 at a training step.",
      [](auto& c) -> auto& { return c.head.dropout; }));
}

void add_train_keys(std::vector<Key>& keys) {
  keys.push_back(integer(
      "train.epochs", {1, 100000}, "How often training goes through all the training images.",
      [](auto& c) -> auto& { return c.train.epochs; }));
  keys.push_back(integer(
      "train.batch_size", {1, 65536},
      "Images of one training step. The last batch of an epoch may be smaller; "
      "none is dropped.",
      [](auto& c) -> auto& { return c.train.batch_size; }));
  keys.push_back(text_choice(
      "train.optimizer.type", {"rmsprop"}, "The rule by which a step changes the weights.",
      [](auto& c) -> auto& { return c.train.optimizer.type; }));
  keys.push_back(number(
      "train.optimizer.learning_rate", {0.0, 10.0, false, true}, "How far a step goes.",
      [](auto& c) -> auto& { return c.train.optimizer.learning_rate; }));
  keys.push_back(number(
      "train.optimizer.rho", {0.0, 1.0, true, false},
      "How slowly the running mean of the squared gradient forgets.",
      [](auto& c) -> auto& { return c.train.optimizer.rho; }));
  keys.push_back(number(
      "train.optimizer.epsilon", {0.0, 1.0, false, true},
      "Keeps the division by the mean square's root finite.",
      [](auto& c) -> auto& { return c.train.optimizer.epsilon; }));
  keys.push_back(boolean(
      "train.optimizer.epsilon_inside_sqrt",
      "true: g / sqrt(a + epsilon), as Keras 3; false: g / (sqrt(a) + epsilon), "
      "as Keras 2.",
      [](auto& c) -> auto& { return c.train.optimizer.epsilon_inside_sqrt; }));
}

// The standard library reads and searches a regular expression by recursion: one without an end
// would take all of the stack.
constexpr std::size_t longest_regular_expression = 500;

void check_regular_expression(const std::string& text) {
  if (text.size() > longest_regular_expression)
    throw Error(ErrorKind::usage,
                fmt::format("expected a regular expression of at most {} bytes, found {} bytes",
                            longest_regular_expression, text.size()));
  try {
    const std::regex made(text);
  } catch (const std::regex_error&) {
    throw Error(ErrorKind::usage,
                fmt::format("expected a regular expression (of ECMAScript), found \"{}\"",
                            printable(text, 100)));
  }
}

void add_bench_method_keys(std::vector<Key>& keys) {
  keys.push_back(text_choice(
      "bench.cache", {"cold", "hot"},
      "\"cold\": caches are emptied before each sample, which is one execution. \"hot\": they are "
      "as the execution before left them, and a sample is as many as the clock needs.",
      [](auto& c) -> auto& { return c.bench.cache; }));
  keys.push_back(number(
      "bench.noise", {0.0, 1.0, false, true},
      "A case has samples enough when the standard error of their median is at most this share of "
      "it.",
      [](auto& c) -> auto& { return c.bench.noise; }));
  keys.push_back(integer(
      "bench.samples", {1, 5000},
      "The least samples of a case, whatever the noise. With fewer the result says so.",
      [](auto& c) -> auto& { return c.bench.samples; }));
  keys.push_back(number(
      "bench.seconds", {0.0, 3600.0, false, true},
      "The most seconds that sampling one case may take; a sample that was begun is ended.",
      [](auto& c) -> auto& { return c.bench.seconds; }));
  keys.push_back(text_choice(
      "bench.isa", {"best", "portable", "avx2", "avx512"},
      "The vector unit of a CPU to measure with. \"best\": the widest that it has. A GPU has none.",
      [](auto& c) -> auto& { return c.bench.isa; }));
}

// All of them in one section that a config may lack.
void add_bench_keys(std::vector<Key>& keys) {
  const std::size_t first = keys.size();
  keys.push_back(at_least(
      1, integers(
             "bench.batch", 16, {1, 1024}, "The batches to measure, of images or of training rows.",
             [](auto& c) -> auto& { return c.bench.batch; })));
  keys.push_back(image_sizes(
      "bench.size", 16, {32, 4096}, "The sizes of images to measure.",
      [](auto& c) -> auto& { return c.bench.size; }));
  keys.push_back(enum_choices<Precision>(
      "bench.precision", {Precision::fp32, Precision::tf32, Precision::fp16, Precision::bf16},
      "The arithmetic of the backbone to measure. A CPU has \"fp32\" only.",
      [](auto& c) -> auto& { return c.bench.precision; }));
  keys.push_back(text_of(
      "bench.filter",
      "Measures only the cases whose name this regular expression is found in. \"\": all.",
      check_regular_expression, [](auto& c) -> auto& { return c.bench.filter; }));
  add_bench_method_keys(keys);
  for (std::size_t i = first; i < keys.size(); ++i) keys[i].section_is_optional = true;
}

}  // namespace

const std::vector<Key>& schema() {
  static const std::vector<Key> keys = [] {
    std::vector<Key> table;
    add_top_keys(table);
    add_data_keys(table);
    add_backbone_keys(table);
    add_pipeline_keys(table);
    add_features_keys(table);
    add_head_keys(table);
    add_train_keys(table);
    add_bench_keys(table);
    return table;
  }();
  return keys;
}

}  // namespace graft::program
