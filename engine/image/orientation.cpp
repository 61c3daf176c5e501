// EXIF orientation by libexif, and the eight ways to turn an image.

#include <libexif/exif-data.h>

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "engine/image/formats.h"

namespace graft::image {
namespace {

constexpr std::size_t maximum_exif_bytes = 65'536;  // what a JPEG segment can hold

}  // namespace

int orientation_of(Bytes exif) {
  if (exif.empty() || exif.size() > maximum_exif_bytes) return 1;
  static constexpr unsigned char prefix[] = {'E', 'x', 'i', 'f', 0, 0};
  std::vector<unsigned char> block(prefix, prefix + sizeof prefix);
  block.insert(block.end(), data_of(exif), data_of(exif) + exif.size());
  const std::unique_ptr<ExifData, decltype(&exif_data_unref)> data(
      exif_data_new_from_data(block.data(), static_cast<unsigned>(block.size())), &exif_data_unref);
  if (!data) return 1;
  const ExifEntry* entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  if (entry == nullptr || entry->format != EXIF_FORMAT_SHORT || entry->size < 2) return 1;
  const int value = exif_get_short(entry->data, exif_data_get_byte_order(data.get()));
  return value >= 1 && value <= 8 ? value : 1;
}

Image upright(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool transpose = is_on_its_side(orientation);
  // Which stored axis runs backwards as the upright x (or y) grows.
  const bool flip_columns =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_rows =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;

  Image turned;
  turned.width = transpose ? image.height : image.width;
  turned.height = transpose ? image.width : image.height;
  turned.rgb.resize(image.rgb.size());
  std::uint8_t* out = turned.rgb.data();
  for (std::size_t y = 0; y < turned.height; ++y) {
    for (std::size_t x = 0; x < turned.width; ++x, out += 3) {
      std::size_t row = transpose ? x : y;
      std::size_t column = transpose ? y : x;
      if (flip_rows) row = image.height - 1 - row;
      if (flip_columns) column = image.width - 1 - column;
      std::memcpy(out, &image.rgb[(row * image.width + column) * 3], 3);
    }
  }
  return turned;
}

}  // namespace graft::image
