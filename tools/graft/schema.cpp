#include "tools/graft/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "tools/graft/text.h"

namespace graft::program {
namespace {

// Each of these makes one kind of key. `member` picks the value out of a Config, const or not.

template <typename Member>
Key text_choice(std::string path, std::vector<std::string> choices, std::string doc,
                Member member) {
  Key key;
  key.path = std::move(path);
  key.kind = KeyKind::choice;
  key.choices = std::move(choices);
  key.doc = std::move(doc);
  key.get = [member](const Config& config) { return Json(member(config)); };
  key.set = [member](Config& config, const Json& value, const Environment&) {
    member(config) = value.get<std::string>();
  };
  return key;
}

template <typename Value, typename Member>
Key enum_choice(std::string path, std::vector<Value> values, std::string doc, Member member) {
  Key key;
  key.path = std::move(path);
  key.kind = KeyKind::choice;
  for (const Value value : values) key.choices.emplace_back(name_of(value));
  key.doc = std::move(doc);
  key.get = [member](const Config& config) { return Json(std::string(name_of(member(config)))); };
  key.set = [member, values](Config& config, const Json& chosen, const Environment&) {
    const auto& name = chosen.get_ref<const std::string&>();
    member(config) = *std::find_if(values.begin(), values.end(),
                                   [&](Value value) { return name_of(value) == name; });
  };
  return key;
}

template <typename Member>
Key boolean(std::string path, std::string doc, Member member) {
  Key key;
  key.path = std::move(path);
  key.kind = KeyKind::boolean;
  key.doc = std::move(doc);
  key.get = [member](const Config& config) { return Json(member(config)); };
  key.set = [member](Config& config, const Json& value, const Environment&) {
    member(config) = value.get<bool>();
  };
  return key;
}

struct Range {
  double lowest, highest;
  bool lowest_included = true, highest_included = true;
};

Key in_range(std::string path, KeyKind kind, const Range& range, std::string doc) {
  Key key;
  key.path = std::move(path);
  key.kind = kind;
  key.doc = std::move(doc);
  key.lowest = range.lowest;
  key.highest = range.highest;
  key.lowest_included = range.lowest_included;
  key.highest_included = range.highest_included;
  return key;
}

template <typename Member>
Key integer(std::string path, const Range& range, std::string doc, Member member) {
  Key key = in_range(std::move(path), KeyKind::integer, range, std::move(doc));
  key.get = [member](const Config& config) { return Json(member(config)); };
  key.set = [member](Config& config, const Json& value, const Environment&) {
    member(config) = value.get<std::uint64_t>();
  };
  return key;
}

template <typename Member>
Key number(std::string path, const Range& range, std::string doc, Member member) {
  Key key = in_range(std::move(path), KeyKind::number, range, std::move(doc));
  key.get = [member](const Config& config) { return Json(member(config)); };
  key.set = [member](Config& config, const Json& value, const Environment&) {
    member(config) = value.get<double>();
  };
  return key;
}

template <typename Member>
Key path_of(std::string path, std::string doc, Member member) {
  Key key;
  key.path = std::move(path);
  key.kind = KeyKind::path;
  key.doc = std::move(doc);
  key.get = [member](const Config& config) { return Json(path_text(member(config))); };
  key.set = [member](Config& config, const Json& value, const Environment& environment) {
    const auto& text = value.get_ref<const std::string&>();
    member(config) = text.empty() ? std::filesystem::path() : expand_path(text, environment);
  };
  return key;
}

template <typename Member>
Key image_size(std::string path, const Range& range, std::string doc, Member member) {
  Key key = in_range(std::move(path), KeyKind::size, range, std::move(doc));
  key.get = [member](const Config& config) {
    return Json::array({member(config).height, member(config).width});
  };
  key.set = [member](Config& config, const Json& value, const Environment&) {
    member(config) = {value[0].get<std::uint32_t>(), value[1].get<std::uint32_t>()};
  };
  return key;
}

template <typename Member>
Key integers(std::string path, std::size_t most, const Range& range, std::string doc,
             Member member) {
  Key key = in_range(std::move(path), KeyKind::integers, range, std::move(doc));
  key.most = most;
  key.get = [member](const Config& config) {
    Json array = Json::array();
    for (const std::size_t value : member(config)) array.push_back(value);
    return array;
  };
  key.set = [member](Config& config, const Json& value, const Environment&) {
    member(config).clear();
    for (const Json& element : value) member(config).push_back(element.get<std::size_t>());
  };
  return key;
}

Key required(Key key) {
  key.required = true;
  return key;
}

Key may_be_empty(Key key) {
  key.may_be_empty = true;
  return key;
}

void add_top_keys(std::vector<Key>& keys) {
  constexpr double two_to_53 = 9007199254740992.0;  // every integer up to here is a double
  keys.push_back(text_choice(
      "device", {"cpu", "cuda", "auto"},
      "What computes. \"auto\" takes the GPU when there is one that this build can use, else the "
      "CPU, and says which. "
      "\"cuda\" without a GPU ends with exit code 5.",
      [](auto& c) -> auto& { return c.device; }));
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
  keys.push_back(integer(
      "backbone.batch_size", {1, 1024},
      "Images that go through the backbone together. More takes more memory; the "
      "features do not depend on it.",
      [](auto& c) -> auto& { return c.backbone.batch_size; }));
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

bool is_whole(const Json& value) {
  if (value.is_number_integer()) return true;  // signed and unsigned
  return value.is_number_float() && std::trunc(value.get<double>()) == value.get<double>();
}

bool in_range(const Key& key, double value) {
  return (key.lowest_included ? value >= key.lowest : value > key.lowest) &&
         (key.highest_included ? value <= key.highest : value < key.highest);
}

bool is_allowed_integer(const Key& key, const Json& value) {
  if (!is_whole(value) || !in_range(key, value.get<double>())) return false;
  // Above 2^53 a double cannot tell an integer from its neighbour.
  return !value.is_number_unsigned() ||
         value.get<std::uint64_t>() <= static_cast<std::uint64_t>(key.highest);
}

bool all_allowed_integers(const Key& key, const Json& value) {
  return std::all_of(value.begin(), value.end(),
                     [&](const Json& element) { return is_allowed_integer(key, element); });
}

bool fits(const Key& key, const Json& value) {
  switch (key.kind) {
    case KeyKind::choice:
      return value.is_string() && std::find(key.choices.begin(), key.choices.end(),
                                            value.get<std::string>()) != key.choices.end();
    case KeyKind::boolean:
      return value.is_boolean();
    case KeyKind::integer:
      return is_allowed_integer(key, value);
    case KeyKind::number:
      return value.is_number() && in_range(key, value.get<double>());
    case KeyKind::path:
      return value.is_string() && (key.may_be_empty || !value.get<std::string>().empty()) &&
             value.get<std::string>().find('\0') == std::string::npos;
    case KeyKind::size:
      return value.is_array() && value.size() == 2 && all_allowed_integers(key, value);
    case KeyKind::integers:
      return value.is_array() && value.size() <= key.most && all_allowed_integers(key, value);
  }
  return false;
}

std::string quoted_list(const std::vector<std::string>& words) {
  std::string list;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) list += i + 1 == words.size() ? " or " : ", ";
    list += '"' + words[i] + '"';
  }
  return list;
}

}  // namespace

std::string Key::section() const {
  const std::size_t dot = path.rfind('.');
  return dot == std::string::npos ? "" : path.substr(0, dot);
}

std::string Key::name() const {
  return path.substr(path.rfind('.') + 1);
}

const std::vector<Key>& schema() {
  static const std::vector<Key> keys = [] {
    std::vector<Key> table;
    add_top_keys(table);
    add_data_keys(table);
    add_backbone_keys(table);
    add_head_keys(table);
    add_train_keys(table);
    return table;
  }();
  return keys;
}

const Key* find_key(std::string_view path) {
  const auto& keys = schema();
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const Key& key) { return key.path == path; });
  return found == keys.end() ? nullptr : &*found;
}

bool is_section(std::string_view path) {
  const std::string prefix = std::string(path) + '.';
  return std::any_of(schema().begin(), schema().end(),
                     [&](const Key& key) { return key.path.starts_with(prefix); });
}

std::vector<std::string> section_names() {
  std::vector<std::string> names;
  for (const Key& key : schema())
    if (std::find(names.begin(), names.end(), key.section()) == names.end())
      names.push_back(key.section());
  return names;
}

std::string expectation(const Key& key) {
  // The integers of the table are whole doubles; "{:.0f}" writes 2^53 without an exponent.
  const std::string range = fmt::format("from {:.0f} to {:.0f}", key.lowest, key.highest);
  switch (key.kind) {
    case KeyKind::choice:
      return quoted_list(key.choices);
    case KeyKind::boolean:
      return "true or false";
    case KeyKind::integer:
      return "an integer " + range;
    case KeyKind::number:
      return fmt::format("a number {} {:g} {} {:g}", key.lowest_included ? "from" : "above",
                         key.lowest, key.highest_included ? "up to" : "to below", key.highest);
    case KeyKind::path:
      return key.may_be_empty ? "a path, or \"\" for none" : "a path";
    case KeyKind::size:
      return "[height, width], each an integer " + range;
    case KeyKind::integers:
      return fmt::format("a list of at most {} integers, each {}", key.most, range);
  }
  return "";
}

std::string default_text(const Key& key) {
  return key.required ? "required" : key.get(Config{}).dump();
}

std::string shown(const Json& value) {
  if (value.is_object()) return "an object";
  return printable(value.dump(-1, ' ', false, Json::error_handler_t::replace), 80);
}

std::optional<std::string> problem_with(const Key& key, const Json& value) {
  if (fits(key, value)) return std::nullopt;
  std::string problem = fmt::format("expected {}, found {}", expectation(key), shown(value));
  if (key.kind == KeyKind::choice && value.is_string()) {
    if (const auto meant = nearest(value.get<std::string>(), key.choices))
      problem += fmt::format("; did you mean \"{}\"?", *meant);
  }
  return problem;
}

std::optional<std::string> suggestion_for(std::string_view unknown_path) {
  const std::size_t dot = unknown_path.rfind('.');
  const std::string_view section =
      dot == std::string_view::npos ? std::string_view() : unknown_path.substr(0, dot);
  const std::string_view name = unknown_path.substr(dot == std::string_view::npos ? 0 : dot + 1);

  // First a slip in the last word, among the keys and sections that stand beside it …
  const std::string prefix = section.empty() ? "" : std::string(section) + '.';
  std::vector<std::string> siblings;
  for (const Key& key : schema()) {
    if (!key.path.starts_with(prefix)) continue;
    siblings.push_back(
        key.path.substr(prefix.size(), key.path.find('.', prefix.size()) - prefix.size()));
  }
  if (const auto sibling = nearest(name, siblings)) return prefix + *sibling;

  // … then the right word in the wrong section, then a slip anywhere in the path.
  std::vector<std::string> paths;
  for (const Key& key : schema()) {
    if (key.name() == name) return key.path;
    paths.push_back(key.path);
  }
  for (const Key& key : schema())
    if (nearest(name, std::vector{key.name()})) return key.path;
  return nearest(unknown_path, paths);
}

}  // namespace graft::program
