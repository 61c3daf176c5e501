#include "bench/cases/jpeg_writer.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>  // jpeglib.h uses FILE without including it
#include <cstdlib>

#include <jpeglib.h>

namespace graft::bench {
namespace {

// One row as libjpeg takes it.
void pick_channels(const Image& image, std::size_t y, int channels,
                   std::vector<std::uint8_t>& row) {
  row.clear();
  for (std::size_t x = 0; x < image.width; ++x) {
    const std::uint8_t* pixel = &image.rgb[(y * image.width + x) * 3];
    row.insert(row.end(), pixel, pixel + std::min(channels, 3));
    if (channels == 4) row.push_back(255 - 40);  // Adobe's: 255 is no ink
  }
}

void apply(const JpegSettings& settings, jpeg_compress_struct& info) {
  info.input_components = settings.channels;
  info.in_color_space = settings.channels == 1   ? JCS_GRAYSCALE
                        : settings.channels == 3 ? JCS_RGB
                                                 : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, settings.quality, TRUE);
  info.comp_info[0].h_samp_factor = settings.channels == 3 ? settings.horizontal_sampling : 1;
  info.comp_info[0].v_samp_factor = settings.channels == 3 ? settings.vertical_sampling : 1;
  info.restart_interval = static_cast<unsigned>(settings.restart_interval);
  info.arith_code = settings.arithmetic ? TRUE : FALSE;
  if (settings.progressive) jpeg_simple_progression(&info);
}

}  // namespace

std::vector<std::byte> jpeg_file(const Image& image, const JpegSettings& settings) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = image.width;
  info.image_height = image.height;
  apply(settings, info);
  jpeg_start_compress(&info, TRUE);
  if (!settings.exif.empty()) {
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(settings.exif.data()),
                      static_cast<unsigned>(settings.exif.size()));
  }
  std::vector<std::uint8_t> row;
  for (std::size_t y = 0; y < image.height; ++y) {
    pick_channels(image, y, settings.channels, row);
    JSAMPROW line = row.data();
    jpeg_write_scanlines(&info, &line, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  const auto* begin = reinterpret_cast<const std::byte*>(buffer);
  std::vector<std::byte> file(begin, begin + size);
  std::free(buffer);
  return file;
}

}  // namespace graft::bench
