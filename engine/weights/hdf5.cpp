// HDF5 files of Keras, read by graft-hdf5. What it sends is checked like any other file.

#include "engine/base/json.h"
#include "engine/weights/convolution_files.h"
#include "engine/weights/hdf5_program.h"
#include "engine/weights/refuse.h"

namespace graft {
namespace {

constexpr JsonLimits summary_limits{
    .kind = ErrorKind::weights, .bytes = std::uint64_t{2} << 20U, .depth = 3, .members = 10'000};

}  // namespace

ConvolutionFile read_hdf5_convolutions(const std::filesystem::path& path,
                                       std::span<const Vgg16Layer> layers,
                                       const std::stop_token& stop) {
  std::vector<std::string> request = {"read", std::to_string(layers[0].input_channels)};
  std::size_t values = 0;
  for (const Vgg16Layer& layer : layers) {
    request.push_back(std::to_string(layer.output_channels));
    values += (9 * layer.input_channels + 1) * layer.output_channels;
  }
  const std::size_t largest =
      safetensors_length_bytes + safetensors_header_limit + values * sizeof(float);
  const auto sent = run_hdf5_program(hdf5_program(), path, request, largest, stop);
  ConvolutionFile file = read_safetensors_convolutions({path, sent}, layers);
  file.source = fmt::format("{} file {}", printable(file.source, 100), shown(path.filename()));
  return file;
}

WeightsFileSummary describe_hdf5_file(const std::filesystem::path& path) {
  const std::vector<std::byte> sent =
      run_hdf5_program(hdf5_program(), path, std::vector<std::string>{"list"},
                       static_cast<std::size_t>(summary_limits.bytes), {});
  return parse_hdf5_summary(path, {reinterpret_cast<const char*>(sent.data()), sent.size()});
}

WeightsFileSummary parse_hdf5_summary(const std::filesystem::path& path, std::string_view json) {
  constexpr ErrorKind kind = ErrorKind::weights;
  const Json summary = read_json(json, shown(path), summary_limits).value;
  const auto names = json_at<std::vector<std::string>>(summary, "names", kind);
  const auto shapes = json_at<std::vector<std::vector<std::size_t>>>(summary, "shapes", kind);
  if (names.size() != shapes.size()) refuse_weights(path, "graft-hdf5 sent names without shapes");
  WeightsFileSummary result{json_at<std::string>(summary, "format", kind), {}, {}};
  result.metadata = json_at<JsonStrings>(summary, "metadata", kind);
  for (std::size_t i = 0; i < names.size(); ++i) result.tensors.push_back({names[i], shapes[i]});
  return result;
}

}  // namespace graft
