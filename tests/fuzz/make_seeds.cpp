// make_seeds FOLDER: writes the seeds of each target, FOLDER/TARGET/NUMBER, with the encoders of the
// tests and of the project.

#include <cstdio>
#include <map>
#include <numeric>

#include "engine/base/digest.h"
#include "engine/base/json.h"
#include "engine/features/set_files.h"
#include "engine/head/trainer.h"
#include "engine/weights/safetensors.h"
#include "tests/features/file_lists.h"
#include "tests/fuzz/samples.h"
#include "tests/image/format_golden.h"
#include "tests/support/files.h"
#include "tests/support/image_files.h"
#include "tests/support/support.h"
#include "tests/weights/onnx_writer.h"

namespace graft::fuzz {
namespace {

class Seeds {
 public:
  explicit Seeds(std::filesystem::path folder) : folder_(std::move(folder)) {}

  void add(const std::string& target, std::string_view bytes) {
    test::write_bytes(folder_ / target / std::to_string(counts_[target]++), bytes);
  }
  void add(const std::string& target, const test::Bytes& bytes) { add(target, text_of(bytes)); }
  // What `write` puts into the file that it is given.
  template <typename Write>
  void add_file(const std::string& target, const Write& write) {
    const test::TemporaryFolder folder;
    write(folder / "seed");
    add(target, test::read_bytes(folder / "seed"));
  }

 private:
  std::filesystem::path folder_;
  std::map<std::string, int> counts_;
};

// ---- Images ----

constexpr std::uint32_t width = 13, height = 9;

std::vector<std::uint8_t> noise(std::size_t count) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; bytes.size() < count; ++i)
    bytes.push_back(static_cast<std::uint8_t>(i * i * 31 / 7));
  return bytes;
}

// Filtered rows of a PNG: unfiltered noise.
test::Bytes png_rows(std::size_t pixel_bits, bool interlaced) {
  struct Pass {
    std::uint32_t x, y, step_x, step_y;
  };
  static constexpr Pass adam7[] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                   {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
  static constexpr Pass all[] = {{0, 0, 1, 1}};
  test::Bytes rows;
  for (const Pass& pass : interlaced ? std::span<const Pass>(adam7) : std::span<const Pass>(all)) {
    const std::size_t columns = (width - pass.x + pass.step_x - 1) / pass.step_x;
    for (std::uint32_t y = pass.y; y < height; y += pass.step_y) {
      rows.push_back(std::byte{0});
      for (const auto value : noise((columns * pixel_bits + 7) / 8))
        rows.push_back(std::byte{value});
    }
  }
  return rows;
}

void add_pngs(Seeds& seeds) {
  constexpr int channels[] = {1, 0, 3, 1, 2, 0, 4};
  for (const auto& [colour, depth] : {std::pair{0, 1},
                                      {0, 2},
                                      {0, 4},
                                      {0, 8},
                                      {0, 16},
                                      {2, 8},
                                      {2, 16},
                                      {3, 1},
                                      {3, 2},
                                      {3, 4},
                                      {3, 8},
                                      {4, 8},
                                      {4, 16},
                                      {6, 8},
                                      {6, 16}}) {
    for (const bool interlaced : {false, true}) {
      test::PngOptions options{.colour = colour, .depth = depth, .interlaced = interlaced};
      if (colour == 3) options.palette = test::Bytes(3U << depth, std::byte{77});
      if (depth == 8) options.orientation = 6;
      const std::size_t bits = static_cast<std::size_t>(channels[colour]) * depth;
      seeds.add("png", test::png_file(width, height, png_rows(bits, interlaced), options));
    }
  }
}

void add_images(Seeds& seeds) {
  const Image image = test::smooth_image(width, height);
  for (const test::JpegOptions& options : {test::JpegOptions{},
                                           {.channels = 1},
                                           {.channels = 4},
                                           {.progressive = true},
                                           {.horizontal_sampling = 1, .vertical_sampling = 1},
                                           {.restart_interval = 1},
                                           {.channels = 4, .progressive = true},
                                           {.orientation = 6}})
    seeds.add("jpeg", test::jpeg_file(image, options));
  add_pngs(seeds);
  seeds.add("bmp", test::bmp_file(image));
  for (const char kind : {'4', '5', '6'}) {
    for (const int maximum : {100, 255, 65535})
      seeds.add("pnm", test::pnm_file(kind, width, height, maximum, noise(width * height * 6)));
  }
  for (const test::TiffOptions& options : {test::TiffOptions{},
                                           {.samples = 1, .photometric = 0},
                                           {.samples = 1, .photometric = 1},
                                           {.bits = 16},
                                           {.samples = 1, .bits = 16, .photometric = 1},
                                           {.compression = 5},
                                           {.compression = 8},
                                           {.compression = 32773},
                                           {.compression = 34925},
                                           {.compression = 50000},
                                           {.samples = 4, .photometric = 5},
                                           {.orientation = 8},
                                           {.samples = 4, .extra_sample = 1},
                                           {.separate_planes = true},
                                           {.big_endian = true},
                                           {.tile = 16},
                                           {.samples = 4, .photometric = 1, .extra_sample = 0},
                                           {.compression = 8, .separate_planes = true, .tile = 16}})
    seeds.add("tiff", test::tiff_file(width, height, noise(width * height * 8), options));
  for (const int quality : {-1, 0, 90})
    for (const bool with_alpha : {false, true})
      seeds.add("webp", test::webp_file(image, quality, with_alpha));
  // A lossless picture of several groups of codes: noise beside smooth colours.
  Image halves = test::noise_image(60, 60);
  std::ranges::copy(test::smooth_image(60, 30).rgb, halves.rgb.begin());
  seeds.add("webp", test::webp_file(halves));
  seeds.add("gif", test::gif_file(image));
  for (const test::GoldenFile& golden : test::golden_files) {
    const std::string name = golden.name;
    for (const char* target : {"webp", "gif", "bmp", "pnm", "png"})
      if (name.find(target) != name.npos) seeds.add(target, test::bytes_of_hex(golden.bytes));
  }
  for (int orientation = 1; orientation <= 8; ++orientation)
    seeds.add("orientation", test::exif_block(orientation));
}

// ---- Weights, heads, checkpoints ----

// Half floats, values of Constant nodes, and values in a part of another file, which is the model itself.
void add_onnx_forms(Seeds& seeds, const test::Layers& layers, const test::Convolutions& weights) {
  using test::bytes_field;
  using test::number_field;
  const test::OnnxGraph plain = test::onnx_vgg16(layers, weights);
  test::OnnxGraph constants = plain;
  constants.initialisers.clear();
  for (std::size_t i = 0; i < plain.initialisers.size(); ++i) {
    const std::string name =
        (i % 2 == 0 ? "tensor_" : "vector_") + std::to_string(layers.size() - i / 2);
    constants.nodes.push_back(
        bytes_field(5, bytes_field(1, "value") + bytes_field(5, plain.initialisers[i])) +
        test::onnx_node("Constant", {}, {name}));
  }
  seeds.add("onnx", constants.file());
  std::string head;
  for (const std::size_t extent : oihw_shape(layers[0])) head += number_field(1, extent);
  head += bytes_field(8, "tensor_" + std::to_string(layers.size()));
  const auto entry = [](std::string_view key, std::string_view value) {
    return bytes_field(13, bytes_field(1, key) + bytes_field(2, value));
  };
  const std::size_t count = weights[0].kernel.size();
  const std::string external = entry("location", "input") + entry("offset", "3") +
                               entry("length", std::to_string(2 * count));
  for (const int type : {10, 16}) {
    for (const std::string& values :
         {bytes_field(9, std::string(2 * count, '<')), bytes_field(5, std::string(count, '<')),
          external + number_field(14, 1)}) {
      test::OnnxGraph graph = plain;
      graph.initialisers[0] = head + number_field(2, type) + values;
      seeds.add("onnx", graph.file());
    }
  }
}

void add_weights(Seeds& seeds) {
  const test::Layers layers = sample_layers();
  const test::Convolutions weights = test::random_convolutions(layers, 1);
  std::vector<TensorView> tensors;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto shape = hwio_shape(layers[i]);
    const std::string name(layers[i].name);
    tensors.push_back({name + "/kernel", {shape.begin(), shape.end()}, weights[i].kernel});
    tensors.push_back({name + "/bias", {layers[i].output_channels}, weights[i].bias});
  }
  const auto add_tensors = [&seeds](std::vector<TensorView> list, const Metadata& metadata) {
    for (const char* target : {"safetensors", "hdf5_result"})
      seeds.add_file(target, [&](const auto& path) { write_safetensors(path, list, metadata); });
  };
  add_tensors(tensors, {{"source", "a file"}, {"digest", "00"}});
  add_tensors({{"scalar", {}, std::span(weights[0].bias).first(1)}, {"none", {0, 3}, {}}}, {});
  for (TensorView& tensor : tensors) tensor.name = "module." + tensor.name;
  tensors.push_back({"step", {1}, std::span(weights[0].bias).first(1)});
  add_tensors(tensors, {});
  for (const std::string type : {"F16", "BF16", "I32"}) {
    const std::string json = R"({"t":{"dtype":")" + type +
                             (type == "I32" ? R"(","shape":[1],"data_offsets":[0,4]}})"
                                            : R"(","shape":[2],"data_offsets":[0,4]}})");
    seeds.add("safetensors", static_cast<char>(json.size()) + std::string(7, '\0') + json + "1234");
  }
  seeds.add("hdf5_result", R"({"format": "Keras 3 HDF5", "metadata": {"keras_version": "3.1.0"},
 "names": ["layers/conv2d/vars/0", "step"], "shapes": [[3, 3, 3, 64], []]})");
  for (const test::OnnxValues values :
       {test::OnnxValues::raw, test::OnnxValues::packed_floats, test::OnnxValues::single_floats}) {
    test::OnnxGraph graph = test::onnx_vgg16(layers, weights, {.values = values});
    seeds.add("onnx", graph.file());
    graph.nodes.clear();
    seeds.add("onnx", graph.file());
  }
  seeds.add("onnx", test::onnx_vgg16(layers, weights, {.bias_by_add = true}).file());
  add_onnx_forms(seeds, layers, weights);
}

std::vector<DenseParameters> dense_layers(const std::vector<DenseShape>& shapes) {
  std::vector<DenseParameters> layers;
  for (const auto& [inputs, outputs] : shapes)
    layers.push_back({inputs, outputs, std::vector<float>(inputs * outputs, 0.5F),
                      std::vector<float>(outputs, -1.0F)});
  return layers;
}

void add_training_files(Seeds& seeds) {
  const FeatureKey key = feature_key({}, digest_of("weights"), "numerics \"1\"", {1, 2, 3});
  const auto add_head = [&](const std::vector<DenseShape>& shapes,
                            const std::vector<std::string>& classes) {
    const TrainedHead head{dense_layers(shapes), classes, {1, 2, 3}, 7, key};
    seeds.add_file("head", [&](const auto& path) { save_head(path, head); });
  };
  add_head({{6, 1}}, {"cats", "dogs"});
  add_head({{6, 4}, {4, 3}}, {"Katze \"K\xC3\xA4the\"", "dog\nhouse", "3"});
  const History history = {{0.5, 0.75, 0.25, 1}, {1e-9, 0.1, 3e10, 0}};
  for (const std::size_t columns : {0U, 6U}) {
    TrainingState state{{dense_layers(sample_shapes), dense_layers(sample_shapes)}, {}};
    state.normalization = {std::vector<float>(columns, 1.0F), std::vector<float>(columns, 2.0F)};
    seeds.add_file("checkpoint",
                   [&](const auto& path) { save_checkpoint(path, sample_key, state, history); });
  }
  seeds.add("history", history_json(history));
  seeds.add("history", history_json({}));
}

// ---- Features ----

void add_features(Seeds& seeds) {
  const auto add_npy = [&seeds](const char* descr, const std::vector<std::size_t>& shape) {
    const std::size_t count =
        std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
    seeds.add("npy", npy_header(descr, shape) + std::string(4 * count, '?'));
  };
  add_npy("<f4", {2, 1, 3});
  add_npy("<f4", {});
  add_npy("<u4", {5});
  FileList list;
  list.key = feature_key(DataConfig{}, digest_of("weights"), "numerics \"1\"", {4, 4, 512});
  list.shape = {4, 4, 512};
  list.classes = {"cats", "the \"other\" \xE7\x8C\xAB"};
  list.rows = {{"cats/1.png", 0, digest_of("1"), digest_of("r1")},
               {"cats/back\\slash and\nline.png", 1, digest_of("2"), digest_of("r2")}};
  list.skipped = {{"cats/0.png", "no image", {}}, {"cats/3.png", "cut off", digest_of("3")}};
  seeds.add("files_json", test::file_list_json(list));
  list.settings = feature_settings({});
  list.shape = {1, 1, 1024, true};
  list.views = {View::original, View::vertical};
  list.rows[0].stamp = FileStamp{1234, -5};
  list.rows[1] = list.rows[0];
  seeds.add("files_json", test::file_list_json(list));

  const test::TemporaryFolder folder;
  const LogPaths paths{folder / "rows", folder / "journal"};
  RowLog log = RowLog::create(paths, std::string(16, ' '), 4, 3, list.key);
  const std::array<std::byte, 4> row{};
  log.add_row(digest_of("a"), row, digest_of(row));
  log.add_bad(digest_of("b"), "no image");
  log.flush();
  log.add_row(digest_of("c"), row, digest_of(row));
  log.flush();
  seeds.add("journal", test::read_bytes(paths.journal));
  log.commit();
  seeds.add("journal", test::read_bytes(paths.journal));
}

// ---- Texts that people write, and the cache ----

void add_texts(Seeds& seeds) {
  seeds.add("config", R"({"data": {"train": "${DATA}/train", "validation_split": 0.2}})");
  seeds.add("config", std::string(R"({ // a comment
  "device": "cuda:1", "seed": 3, "output": "~/runs/x", "threads": 2,
  "data": {"train": "list.csv", "image_size": [150, 200], "views": ["original", "vertical"]},
  "backbone": {"weights": "w.onnx", "batch_size": "auto", "precision": "tf32"},
  "features": {"layers": ["block4", "block5"], "pooling": "average_max"},
  "head": {"hidden": [256, 128], "dropout": 0},
  "train": {"epochs": 2e1, "class_weights": {"cats": 2.5}, "optimizer": {"schedule": "constant"}}
})") + '\0' + "head.hidden=[]\noutput=$${x}/5\ntrain.class_weights=balanced\ndata.train=/5");
  for (const char* list :
       {"path,label\na.jpg,cat\nb.jpg,dog\n",
        "\xEF\xBB\xBFsplit,path,note,label\r\ntrain,\"a, \"\"b\"\".jpg\",x,cat\r\n"
        "\r\nvalidation,/c.jpg,\"two\nlines\",dog\r\ntrain,d.jpg,,dog\r\n"})
    seeds.add("csv", list);
  const std::string key = "a problem; by heuristics; a device";
  for (const bool fused : {false, true}) {
    const std::string plan = R"({"engine": 28, "knobs": [1, 2]})";
    seeds.add("plan_cache",
              Json{{"format", "graft convolution plan 2"},
                   {"key", key},
                   {"fused", fused},
                   {"plan", plan},
                   {"digest", digest_of(Json::array({key, fused, plan}).dump()).hex()}}
                  .dump(1));
  }
}

}  // namespace
}  // namespace graft::fuzz

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: make_seeds FOLDER\n");
    return 2;
  }
  graft::fuzz::Seeds seeds(arguments[1]);
  graft::fuzz::add_images(seeds);
  graft::fuzz::add_weights(seeds);
  graft::fuzz::add_training_files(seeds);
  graft::fuzz::add_features(seeds);
  graft::fuzz::add_texts(seeds);
  return 0;
}
