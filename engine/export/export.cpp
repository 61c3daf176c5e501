#include "engine/export/export.h"

#include <fmt/format.h>

#include <numeric>

#include "engine/base/memory.h"
#include "engine/base/result_folder.h"
#include "engine/config/config_file.h"
#include "engine/export/onnx_writer.h"
#include "engine/job/session.h"
#include "engine/weights/hdf5_program.h"
#include "kernels/pixel_tables.h"

namespace graft {
namespace {

constexpr std::int64_t channel_axis = 1, row_axis = 2, column_axis = 3;

std::string reversed(OnnxWriter& graph, const std::string& input, std::int64_t axis,
                     std::size_t extent, const std::string& output) {
  std::vector<std::int64_t> order(extent);
  std::iota(order.rbegin(), order.rend(), 0);
  return graph.node("Gather", {input, graph.integers(output + "_order", order)}, output,
                    onnx_attribute("axis", axis));
}

// The operations of kernels/pixel_tables.h, in their order.
std::string preprocessed(OnnxWriter& graph, Preprocess preprocess, std::string value) {
  value = graph.node("Cast", {value}, "pixels", onnx_attribute("to", onnx_float));
  value = graph.node("Transpose", {value}, "rgb", onnx_attribute("perm", {0, 3, 1, 2}));
  const auto step = [&](const char* operation, const char* name, std::span<const float> numbers) {
    const std::string constant = graph.floats(name, {numbers.size(), 1, 1}, numbers);
    value = graph.node(operation, {value, constant}, std::string("preprocessed_by_") + name);
  };
  switch (preprocess) {
    case Preprocess::rescale:
      step("Mul", "factor", {&rescale_factor, 1});
      break;
    case Preprocess::caffe:
      value = reversed(graph, value, channel_axis, 3, "bgr");
      step("Sub", "mean", caffe_mean);
      break;
    case Preprocess::torch:
      step("Div", "levels", std::array{255.0F});
      step("Sub", "mean", torch_mean);
      step("Div", "deviation", torch_deviation);
      break;
  }
  return value;
}

// The views of each image follow each other.
std::string with_views(OnnxWriter& graph, const DataConfig& data, const std::string& images) {
  const auto& [height, width] = data.image_size;
  std::vector<std::string> views;
  for (const View view : data.views) {
    std::string& value = views.emplace_back(images);
    const std::string name(name_of(view));
    if (view == View::vertical || view == View::rotate180)
      value = reversed(graph, value, row_axis, height, name + "_rows");
    if (view == View::horizontal || view == View::rotate180)
      value = reversed(graph, value, column_axis, width, name + "_columns");
  }
  if (views.size() == 1) return views[0];
  const std::string channels =
      graph.node("Concat", views, "views_of_image", onnx_attribute("axis", channel_axis));
  const std::string shape = graph.integers("shape_of_views", {-1, 3, height, width});
  return graph.node("Reshape", {channels, shape}, "views");
}

// From images to features in the order of features.npy.
std::string convolved(OnnxWriter& graph, const Config& config, const Vgg16Weights& weights,
                      std::string value) {
  const FeatureSource& source = config.features.source;
  const std::string window =
      onnx_attribute("kernel_shape", {2, 2}) + onnx_attribute("strides", {2, 2});
  std::vector<std::string> statistics;
  for (std::size_t i = 0; i < convolutions_of(source); ++i) {
    const auto& [layer, inputs, outputs, pool_after] = vgg16_layers[i];
    const std::string name(layer);
    const std::string kernel =
        graph.weights(name + "/kernel", {3, 3, inputs, outputs}, weights.layers[i].kernel);
    const std::string bias = graph.floats(name + "/bias", {outputs}, weights.layers[i].bias);
    value = graph.node("Conv", {value, kernel, bias}, name, onnx_attribute("pads", {1, 1, 1, 1}));
    value = graph.node("Relu", {value}, name + "_relu");
    if (pool_after) value = graph.node("MaxPool", {value}, name + "_pool", window);
    for (const FeatureGroup& group : vgg16_feature_groups(config.data.image_size, source)) {
      if (!group.is_statistic_of(i)) continue;
      const bool is_average = group.statistic == Pooling::average;
      statistics.push_back(graph.node(is_average ? "GlobalAveragePool" : "GlobalMaxPool", {value},
                                      fmt::format("{}_{}", name, name_of(group.statistic))));
    }
  }
  if (statistics.empty())
    return graph.node("Transpose", {value}, "features", onnx_attribute("perm", {0, 2, 3, 1}));
  return graph.node("Concat", statistics, "features", onnx_attribute("axis", channel_axis));
}

void classify(OnnxWriter& graph, const FinishedRun& run, const std::string& features) {
  std::string value = graph.node("Flatten", {features}, "rows");
  const std::size_t layers = run.head.parameters.size();
  for (std::size_t i = 0; i < layers; ++i) {
    const auto& [inputs, outputs, kernel, bias] = run.head.parameters[i];
    const std::string name = dense_name(i);
    value = graph.node("Gemm",
                       {value, graph.weights(name + "/kernel", {inputs, outputs}, kernel),
                        graph.floats(name + "/bias", {outputs}, bias)},
                       name);
    if (i + 1 < layers) value = graph.node("Relu", {value}, name + "_relu");
  }
  const auto views = static_cast<std::int64_t>(run.config.data.views.size());
  const auto outputs = static_cast<std::int64_t>(run.head.parameters.back().outputs);
  if (views > 1) {
    const std::string shape = graph.integers("shape_of_logits", {-1, views, outputs});
    value = graph.node("Reshape", {value, shape}, "logits_of_views");
    value = graph.node(
        "ReduceMean", {value}, "mean_logits",
        onnx_attribute("axes", std::vector{channel_axis}) + onnx_attribute("keepdims", 0));
  }
  const std::string axis = onnx_attribute("axis", channel_axis);
  if (outputs > 1) {
    graph.node("Softmax", {value}, "probabilities", axis);
  } else {
    const std::string second = graph.node("Sigmoid", {value}, "second_class");
    const std::string one = graph.floats("one", {}, std::array{1.0F});
    const std::string first = graph.node("Sub", {one, second}, "first_class");
    graph.node("Concat", {first, second}, "probabilities", axis);
  }
  graph.declare(onnx_output, "probabilities", onnx_float, "N", {run.head.classes.size()});
}

Digest recorded_weights(const FinishedRun& run) {
  for (const auto& [name, value] : run.head.key.settings)
    if (name == "weights") return Digest::from_hex(value);
  return {};
}

// Refuses settings and weights other than those of the features that the head was trained on.
void check_features(const FinishedRun& run, const Digest& weights) {
  const FeatureSource& source = run.config.features.source;
  const FeatureShape shape = vgg16_feature_shape(run.config.data.image_size, source);
  check_key(run, feature_key(run.config.data, weights, {}, shape, source));
}

std::uint64_t export_onnx(const FinishedRun& run, const ExportOptions& options,
                          const std::stop_token& stop) {
  const DataConfig& data = run.config.data;
  Vgg16Weights weights;
  if (!options.head_only) weights = read_weights(run.config, stop);
  check_features(run, options.head_only ? recorded_weights(run) : weights.digest);

  OnnxWriter graph(options.half);
  std::string features = "features";
  if (options.head_only) {
    const char* rows = data.views.size() == 1 ? "N" : "rows";
    const FeatureShape shape = vgg16_feature_shape(data.image_size, run.config.features.source);
    graph.declare(onnx_input, features, onnx_float, rows, shape.dimensions());
  } else {
    const auto& [height, width] = data.image_size;
    graph.declare(onnx_input, "images", onnx_uint8, "N", {height, width, 3});
    const std::string images = preprocessed(graph, data.preprocess, "images");
    features = convolved(graph, run.config, weights, with_views(graph, data, images));
  }
  classify(graph, run, features);
  JsonStrings properties = run.head.key.settings;
  properties.emplace_back("classes", json_text(run.head.classes));
  properties.emplace_back("config", digest_of(effective_config(run.config)).hex());
  properties.emplace_back("graft", options.version);
  return graph.save(options.file, properties);
}

std::uint64_t export_keras(const FinishedRun& run, const std::filesystem::path& file,
                           const std::stop_token& stop) {
  check_features(run, recorded_weights(run));
  constexpr std::uint64_t structure = std::uint64_t{1} << 20U;  // all besides the values
  std::vector<std::byte> content;
  read_set(run.config.output, [&](const std::filesystem::path& set) {
    const std::filesystem::path head = set / run.head_file.filename();
    const std::uint64_t size = File(head, File::Mode::read).size() + structure;
    check_memory("Exporting the head", 5.0 * static_cast<double>(size), "train a smaller one");
    content = run_hdf5_program(hdf5_program(), head, std::vector<std::string>{"write"}, size, stop);
  });
  write_durably(file, [&](File& to) { to.append(content); });
  return content.size();
}

}  // namespace

std::uint64_t export_run(const FinishedRun& run, const ExportOptions& options,
                         const std::stop_token& stop) {
  const std::filesystem::path ending = options.file.extension();
  if (ending == ".onnx") return export_onnx(run, options, stop);
  if (ending == ".h5" && !options.half && !options.head_only)
    return export_keras(run, options.file, stop);
  throw Error(ErrorKind::usage,
              "{}: expected a name that ends in .onnx (a model), or in .h5 (the head as Keras' "
              "weights) without --half and --head-only",
              shown(options.file));
}

}  // namespace graft
