// Pillow's Image.resize, pixel for pixel.
//
// nearest: the source column of each output column is a running sum, x = a/2, a/2 + a, …, with
// a = in/out, cut to an integer. The sum's rounding decides some columns, so it is a sum here too.
//
// bilinear, bicubic, lanczos: one pass along rows and one along columns, each rounded to 8 bits, so
// their order changes pixels. Columns go first if the height shrinks by more than twice what the
// width shrinks by (Pillow 13; older versions always begin with rows). A pass that would not change
// the size is skipped, and so are rows that the second pass does not read.

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "engine/image/formats.h"
#include "engine/image/resize_pass.h"

namespace graft {
namespace image {
namespace {

constexpr std::uint32_t maximum_target_side = 65'536;

std::vector<std::uint32_t> nearest_sources(std::uint32_t in_size, std::uint32_t out_size) {
  const double step = static_cast<double>(in_size) / out_size;
  std::vector<std::uint32_t> sources(out_size);
  double position = step * 0.5;
  for (std::uint32_t& source : sources) {
    source = std::min(static_cast<std::uint32_t>(position), in_size - 1);
    position += step;
  }
  return sources;
}

void resize_nearest(const Image& image, ImageSize size, std::uint8_t* out) {
  const std::vector<std::uint32_t> columns = nearest_sources(image.width, size.width);
  const std::vector<std::uint32_t> rows = nearest_sources(image.height, size.height);
  for (const std::uint32_t row : rows) {
    const std::uint8_t* in = &image.rgb[std::size_t{row} * image.width * 3];
    for (const std::uint32_t column : columns) {
      std::memcpy(out, in + std::size_t{column} * 3, 3);
      out += 3;
    }
  }
}

bool columns_go_first(std::uint32_t width, std::uint32_t height, ImageSize size) {
  const std::int64_t shrunk_height = std::int64_t{height} - size.height;
  const std::int64_t shrunk_width = std::int64_t{width} - size.width;
  return width == size.width || (shrunk_height > 0 && shrunk_height > 2 * shrunk_width);
}

void resize_filtered(const Image& image, Resize filter, ImageSize size, std::uint8_t* out) {
  const std::size_t stride = std::size_t{image.width} * 3,
                    target_stride = std::size_t{size.width} * 3;
  const std::uint8_t* in = image.rgb.data();
  const Weights row_weights = weights_of(filter, image.width, size.width);
  Weights column_weights = weights_of(filter, image.height, size.height);
  if (size.width == image.width) return resize_columns(in, stride, column_weights, out);
  if (size.height == image.height)
    return resize_rows(in, image.width, image.height, row_weights, out);
  std::vector<std::uint8_t> between;
  if (columns_go_first(image.width, image.height, size)) {
    between.resize(size.height * stride);
    resize_columns(in, stride, column_weights, between.data());
    return resize_rows(between.data(), image.width, size.height, row_weights, out);
  }
  const std::uint32_t first_row = column_weights.first.front();
  const std::uint32_t row_count =
      column_weights.first.back() + column_weights.count.back() - first_row;
  for (std::uint32_t& first : column_weights.first) first -= first_row;
  between.resize(row_count * target_stride);
  resize_rows(in + first_row * stride, image.width, row_count, row_weights, between.data());
  resize_columns(between.data(), target_stride, column_weights, out);
}

// Of the image between the two passes.
std::uint64_t bytes_between(std::uint32_t width, std::uint32_t height, ImageSize size) {
  return 3 * (columns_go_first(width, height, size) ? std::uint64_t{size.height} * width
                                                    : std::uint64_t{height} * size.width);
}

void check_arguments(const Image& image, ImageSize size, std::size_t target_bytes) {
  const auto fail = [](const std::string& what) {
    throw Error(ErrorKind::usage, "resize: " + what);
  };
  if (image.width == 0 || image.height == 0 ||
      image.rgb.size() != std::size_t{image.width} * image.height * 3) {
    fail("the image is empty or its pixels do not match its size");
  }
  if (size.width == 0 || size.height == 0 || size.width > maximum_target_side ||
      size.height > maximum_target_side) {
    fail("a side of the target is 0 or above " + std::to_string(maximum_target_side));
  }
  if (target_bytes != std::size_t{size.width} * size.height * 3) {
    fail("the target does not have height x width x 3 bytes");
  }
}

}  // namespace

}  // namespace image

DecodingCost with_resizing(DecodingCost cost, Resize filter, ImageSize size) {
  cost.bytes += 8 * (std::uint64_t{size.height} + size.width);
  if (filter == Resize::nearest) return cost;
  const std::uint64_t between = std::max(image::bytes_between(cost.width, cost.height, size),
                                         image::bytes_between(cost.height, cost.width, size));
  // Lanczos' weights, the most: 6 for each source position, and 3 more for each result.
  const std::uint64_t weights =
      6 * (std::uint64_t{cost.width} + cost.height) + 9 * (std::uint64_t{size.width} + size.height);
  constexpr std::uint64_t weight_work = 60, pixel_work = 5, byte_work = 2;  // ns, or so
  cost.bytes += between + 8 * weights;
  cost.work += weight_work * weights + byte_work * between +
               pixel_work * std::uint64_t{cost.width} * cost.height;
  return cost;
}

void resize_image(const Image& image, Resize filter, ImageSize size,
                  std::span<std::uint8_t> target) {
  image::check_arguments(image, size, target.size());
  if (size.width == image.width && size.height == image.height) {
    std::copy(image.rgb.begin(), image.rgb.end(), target.begin());
  } else if (filter == Resize::nearest) {
    image::resize_nearest(image, size, target.data());
  } else {
    image::resize_filtered(image, filter, size, target.data());
  }
}

}  // namespace graft
