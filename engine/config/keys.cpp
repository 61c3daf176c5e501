#include "engine/config/keys.h"

#include <algorithm>
#include <utility>

#include "engine/base/text.h"

namespace graft {
namespace {

constexpr double two_to_53 = 9007199254740992.0;  // every integer up to here is a double

using Keys = std::vector<ConfigKey>;

ConfigKey key(std::string path, KeyMember member, KeyRule rule, std::string text) {
  return {std::move(path), member, std::move(rule), std::move(text)};
}

void add(Keys& keys, Keys more) {
  keys.insert(keys.end(), more.begin(), more.end());
}

Keys top_keys(Config& config) {
  return {
      key("device", &config.device,
          {.highest = 255, .choices = {"cpu", "cuda", "cuda:local", "auto"}, .numbered = "cuda"},
          "The compute device. \"cuda\" is the first GPU that CUDA_VISIBLE_DEVICES allows, "
          "\"cuda:1\" the second; without it the run ends with exit code 5. \"cuda:local\" is "
          "the GPU of the local rank (mpirun, srun). \"auto\" takes the first GPU that this build "
          "can use, else the CPU, and says which and why."),
      key("seed", &config.seed, {.highest = two_to_53},
          "The source of all randomness: initial weights, order of the rows, dropout. The same "
          "config and seed give the same bytes."),
      key("output", &config.output, {},
          "The folder for all results. It is created when it does not exist. One run at a time "
          "may use it. It must not be in a folder of images."),
      key("threads", &config.threads, {.highest = 1024},
          "Threads of the CPU. 0: one for each core that the process may run on. The results do "
          "not depend on it."),
      key("cache", &config.cache, {.may_be_empty = true, .fallback = "${GRAFT_CACHE}"},
          "The folder for what can be computed again: cuDNN's execution plans. \"\": they are "
          "not kept."),
  };
}

Keys data_keys(DataConfig& data) {
  return {
      key("data.train", &data.train, {.required = true},
          "The training images: a folder with one sub-folder for each class, named after it, which "
          "may hold folders too; or a .csv file with the columns path, label and, if it also "
          "lists the validation images, split (\"train\" or \"validation\"). Classes are "
          "numbered in the order of their names."),
      key("data.validation", &data.validation, {.may_be_empty = true},
          "The validation images, with the same classes: a folder or a .csv file."),
      key("data.validation_split", &data.validation_split, {.highest = 1.0, .below_highest = true},
          "The share of `data.train` to keep for validation. 0: 0.2, unless `data.validation` or "
          "the column split of a .csv file names the images. A file stays in its set when others "
          "are added or removed. Each class gives its share."),
      key("data.image_size", &data.image_size, {.lowest = 32, .highest = 4096},
          "The [height, width] in pixels that every image is resized to, without keeping its "
          "proportions (as Keras does)."),
      key("data.resize", &data.resize, {},
          "The resize filter, identical to Pillow's in every pixel. \"nearest\" is the default "
          "of Keras' ImageDataGenerator; it costs accuracy."),
      key("data.preprocess", &data.preprocess, {},
          "How pixels become the network's input. \"rescale\": divided by 255. \"caffe\": BGR, "
          "minus ImageNet's mean (what VGG16 was trained with). \"torch\": divided by 255, then "
          "normalised with ImageNet's mean and deviation for each channel."),
      key("data.views", &data.views, {},
          "The views of each resized image, each a row of features. \"horizontal\" and "
          "\"vertical\" are flips, \"rotate180\" is both. Training uses all rows; an image is "
          "judged by the mean of its views' logits. Each takes as long as the first."),
      key("data.on_bad_image", &data.on_bad_image, {},
          "What to do with a file that is not a complete image. \"stop\": end with exit code 3 "
          "and name the file, before the features are computed if its header shows it. \"skip\": "
          "skip the file and list it."),
      key("data.exif_orientation", &data.exif_orientation, {},
          "Whether to turn photos upright as their EXIF or XMP says, as Pillow's exif_transpose "
          "does. Keras does not."),
      key("data.gray16", &data.gray16, {},
          "How 16-bit gray becomes 8-bit. \"high_byte\" keeps the picture. \"clip\" cuts at 255 "
          "as Pillow does, which turns most such pictures white."),
      key("data.fast_decode", &data.fast_decode, {},
          "Whether the JPEG decoder may shrink a photo that is much larger than "
          "`data.image_size` while it decodes it. This is faster, and the pixels differ from "
          "Keras'. Train and predict with the same value."),
  };
}

Keys backbone_keys(BackboneConfig& backbone) {
  return {
      key("backbone.name", &backbone.name, {.choices = {"vgg16"}},
          "The frozen network. `features.layers` names the layers that are the features."),
      key("backbone.weights", &backbone.weights,
          {.fallback = "${GRAFT_CACHE}/vgg16_imagenet.safetensors"},
          "The file of its weights: .safetensors, Keras .h5 or .onnx. `graft weights import` "
          "turns the others into .safetensors, which loads fastest."),
      key("backbone.batch_size", &backbone.batch_size,
          {.lowest = 1, .highest = 1024, .zero_word = "auto"},
          "Images in one pass through the backbone. More takes more memory. The features of an "
          "image do not depend on the others in its batch. On a CPU, batch 1 uses another "
          "algorithm, faster for one image, whose last digits differ. \"auto\" is 32 on a "
          "CPU. On a GPU it is a power of two up to 256, which follows from the GPU's memory, "
          "`backbone.precision` and `data.image_size`, and from nothing else."),
      key("backbone.precision", &backbone.precision, {},
          "The arithmetic of the backbone. \"auto\" is \"tf32\" on a GPU that has it (sm_80 and "
          "later), as in PyTorch and Keras, else \"fp32\"; the first line of a run names it. "
          "\"fp32\" uses no TF32. The others need a GPU; they are faster where it has tensor "
          "cores, and less exact. The features are float32 in every case."),
      key("backbone.algorithm", &backbone.algorithm, {},
          "How a CPU computes the convolutions. \"winograd\": at most a third of the "
          "multiplications. \"direct\": all of them, slower, for comparison. \"auto\" is "
          "\"winograd\". Both give the features within 5e-6 of the largest. A GPU takes \"auto\" "
          "only: cuDNN chooses."),
      key("backbone.autotune", &backbone.autotune, {},
          "Whether to time the ways to compute each convolution on the GPU and keep the fastest "
          "in `cache`, once for each GPU, size and precision. Otherwise cuDNN's first proposal "
          "is used. No effect on a CPU."),
  };
}

Keys features_keys(FeaturesConfig& features) {
  return {
      key("features.layers", &features.source.layers, {},
          "The layers whose output is the features: blocks of the network, after their max-pool. "
          "More than one needs `features.pooling`. What follows the last one is not computed."),
      key("features.pooling", &features.source.pooling, {},
          "What is kept of each channel of a layer: \"none\" all its values, \"average\" or "
          "\"max\" one number, as Keras' pooling does, \"average_max\" both. Pooled features "
          "are a fraction of the size and about as good."),
      key("features.normalize", &features.normalize, {},
          "How features are scaled for training. \"rms\": divided by their root mean square. "
          "\"standard\": minus each column's mean, divided by the standard deviation. Both take "
          "one number for each statistic of each layer, over the training images. The saved "
          "classifier takes features as they are."),
      key("features.memory_budget_mib", &features.memory_budget_mib, {.highest = 1048576},
          "Features up to this size (MiB) are held in memory for training. Larger ones are read "
          "from the file as they are needed."),
  };
}

Keys head_keys(HeadConfig& head) {
  return {
      key("head.hidden", &head.hidden, {.lowest = 1, .highest = 65536, .most = 8},
          "Units of each hidden layer (dense, ReLU, dropout) of the classifier, first to last. "
          "[]: none, a linear classifier."),
      key("head.dropout", &head.dropout, {.highest = 1.0, .below_highest = true},
          "The share of each hidden layer's values that is set to 0 at a training step."),
  };
}

Keys train_keys(TrainConfig& train) {
  OptimizerConfig& optimizer = train.optimizer;
  return {
      key("train.epochs", &train.epochs, {.lowest = 1, .highest = 100000},
          "How often training goes through all the training images."),
      key("train.batch_size", &train.batch_size, {.lowest = 1, .highest = 65536},
          "Images in one training step. The last batch of an epoch may be smaller; none is "
          "dropped."),
      key("train.optimizer.type", &optimizer.type, {.choices = {"rmsprop"}},
          "The rule by which a step changes the weights."),
      key("train.optimizer.learning_rate", &optimizer.learning_rate,
          {.highest = 10.0, .above_lowest = true}, "The factor of the first step."),
      key("train.optimizer.schedule", &optimizer.schedule, {},
          "How the learning rate changes. \"linear\": evenly from step to step, to 0 after the "
          "last epoch; another `train.epochs` is another run then. \"constant\": not at all; a "
          "run goes on where `train.epochs` is raised."),
      key("train.optimizer.rho", &optimizer.rho, {.highest = 1.0, .below_highest = true},
          "The decay of the running mean of squared gradients."),
      key("train.optimizer.epsilon", &optimizer.epsilon, {.highest = 1.0, .above_lowest = true},
          "Keeps the division by the root of the mean square finite."),
      key("train.optimizer.epsilon_inside_sqrt", &optimizer.epsilon_inside_sqrt, {},
          "true: g / sqrt(a + epsilon), as Keras 3; false: g / (sqrt(a) + epsilon), as Keras 2."),
      key("train.class_weights", &train.class_weights, {.highest = 1e6, .above_lowest = true},
          "The factor of an image's loss in training, by its class. \"balanced\": images / "
          "(classes · images of the class). A class that an object does not name has 1."),
  };
}

}  // namespace

Keys keys_of(Config& config) {
  Keys keys = top_keys(config);
  add(keys, data_keys(config.data));
  add(keys, backbone_keys(config.backbone));
  keys.push_back(
      key("pipeline.depth", &config.pipeline.depth, {.highest = 16, .zero_word = "auto"},
          "Batches in flight on the device at once, so that copies and arithmetic overlap. "
          "\"auto\", or 0: the device decides. Each takes host memory for its images and "
          "features."));
  keys.push_back(
      key("pipeline.decode_memory_mib", &config.data.decode_memory_mib,
          {.lowest = 16, .highest = 1048576},
          "Memory (MiB) for image files that are being read and decoded, of all threads together. "
          "A thread waits until the others have returned enough. An image that needs more is a bad "
          "image. 3 bytes a pixel is the least; PNG and JPEG take 6, progressive JPEG up to 12."));
  add(keys, features_keys(config.features));
  add(keys, head_keys(config.head));
  add(keys, train_keys(config.train));
  return keys;
}

const Keys& default_keys() {
  static Config config;
  static const Keys keys = keys_of(config);
  return keys;
}

std::string ConfigKey::section() const {
  const std::size_t dot = path.rfind('.');
  return dot == std::string::npos ? "" : path.substr(0, dot);
}

const ConfigKey* find_key(const Keys& keys, std::string_view path) {
  const auto found = std::find_if(keys.begin(), keys.end(),
                                  [&](const ConfigKey& key) { return key.path == path; });
  return found == keys.end() ? nullptr : &*found;
}

bool is_section(std::string_view path) {
  const std::string prefix = std::string(path) + '.';
  return std::any_of(default_keys().begin(), default_keys().end(),
                     [&](const ConfigKey& key) { return key.path.starts_with(prefix); });
}

std::vector<std::string> section_names() {
  std::vector<std::string> names;
  for (const ConfigKey& key : default_keys())
    if (std::find(names.begin(), names.end(), key.section()) == names.end())
      names.push_back(key.section());
  return names;
}

std::string default_text(const ConfigKey& key) {
  if (key.rule.required) return "required";
  if (!key.rule.fallback.empty()) return json_text(key.rule.fallback);
  return value_of(*find_key(default_keys(), key.path)).dump();
}

std::optional<std::string> suggestion_for(std::string_view unknown_path) {
  const std::size_t dot = unknown_path.rfind('.');
  const bool is_nested = dot != std::string_view::npos;
  const std::string prefix(unknown_path.substr(0, is_nested ? dot + 1 : 0));
  const std::string_view name = unknown_path.substr(prefix.size());
  std::vector<std::string> siblings;  // keys and sections in the same section
  std::vector<std::string> names;
  std::vector<std::string> paths;
  for (const ConfigKey& key : default_keys()) {
    paths.push_back(key.path);
    names.push_back(key.name());
    if (key.path.starts_with(prefix))
      siblings.push_back(
          key.path.substr(prefix.size(), key.path.find('.', prefix.size()) - prefix.size()));
  }
  // A typing error in the name, then a name from another section, then an error in the section.
  if (const auto sibling = nearest(name, siblings)) return prefix + *sibling;
  if (const auto other = nearest(name, names))
    return paths[std::find(names.begin(), names.end(), *other) - names.begin()];
  return nearest(unknown_path, paths);
}

}  // namespace graft
