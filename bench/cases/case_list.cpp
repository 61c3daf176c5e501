#include "bench/cases/case_list.h"

#include <fmt/format.h>

#include <set>

namespace graft::bench {

std::string size_text(ImageSize size) {
  return size.height == size.width ? fmt::format("{}", size.height)
                                   : fmt::format("{}x{}", size.height, size.width);
}

AxisValues number_axes(std::initializer_list<std::pair<const char*, std::size_t>> values) {
  AxisValues axes;
  for (const auto& [name, value] : values) axes.emplace_back(name, fmt::format("{}", value));
  return axes;
}

Case named_case(Suite suite, std::string_view work, AxisValues axes) {
  Case what;
  what.suite = suite;
  what.name = fmt::format("{}/{}", name_of(suite), work);
  for (const auto& [axis, value] : axes)
    what.name +=
        axis == "precision" ? fmt::format("/{}", value) : fmt::format("/{}:{}", axis, value);
  what.axes = std::move(axes);
  return what;
}

std::vector<Case> without_repeats(const std::vector<Case>& cases) {
  std::vector<Case> unique;
  std::set<std::string> names;
  for (const Case& one : cases)
    if (names.insert(one.name).second) unique.push_back(one);
  return unique;
}

Cost layer_cost(const LayerShape& shape, std::size_t images, Precision precision) {
  const std::size_t input = shape.height * shape.width * shape.inputs;
  const std::size_t output = shape.output_height() * shape.output_width() * shape.outputs;
  const auto count = static_cast<double>(images);
  const double values = count * static_cast<double>(input + output) +
                        static_cast<double>(shape.weights() + shape.outputs);
  return {count * convolution_flop(shape), static_cast<double>(storage_bytes(precision)) * values,
          precision};
}

}  // namespace graft::bench
