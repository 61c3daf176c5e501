// JPEG by libjpeg-turbo with its defaults (islow DCT, fancy upsampling), which is what Pillow uses.
// A file that ends early is refused: the source suspends at the end of the file instead of
// inventing an end marker, so that libjpeg never pads the picture. Other damage that libjpeg warns
// of and goes on from is tolerated, as Pillow does. Files that end after the last row without an
// end marker pass.

#include <array>
#include <csetjmp>
#include <cstdio>  // jpeglib.h uses FILE without including it
#include <string>
#include <vector>

#include <jpeglib.h>

#include "engine/image/formats.h"

namespace graft::image {

namespace {

// Progressive files have about ten scans; each costs a pass over the whole picture.
constexpr int maximum_scans = 200;

// Calls into libjpeg. libjpeg leaves by longjmp on an error, over frames of C and of `call` only,
// whose locals have no destructors; call_library makes an exception of it.
class Decompressor {
 public:
  explicit Decompressor(Bytes file) {
    info_.err = jpeg_std_error(&errors_.manager);
    errors_.manager.error_exit = [](j_common_ptr info) {
      auto* errors = reinterpret_cast<Errors*>(info->err);
      info->err->format_message(info, errors->message.data());
      std::longjmp(errors->target, 1);
    };
    errors_.manager.emit_message = [](j_common_ptr, int) {};
    call_library([this] { jpeg_create_decompress(&info_); });
    read_from(file);
    progress_.progress_monitor = [](j_common_ptr info) {
      const auto* decompress = reinterpret_cast<j_decompress_ptr>(info);
      if (decompress->input_scan_number <= maximum_scans) return;
      auto* errors = reinterpret_cast<Errors*>(info->err);
      std::snprintf(errors->message.data(), errors->message.size(), "more than %d scans",
                    maximum_scans);
      std::longjmp(errors->target, 1);
    };
    info_.progress = &progress_;
  }
  ~Decompressor() { jpeg_destroy_decompress(&info_); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  Decompressor(Decompressor&&) = delete;
  Decompressor& operator=(Decompressor&&) = delete;

  template <typename Call>
  void call_library(Call call) {
    if (setjmp(errors_.target) != 0) {
      throw BadImage("the JPEG cannot be decoded: " + std::string(errors_.message.data()));
    }
    call();
  }

  jpeg_decompress_struct& info() { return info_; }

 private:
  struct Errors {
    jpeg_error_mgr manager;  // first: libjpeg hands back a pointer to it
    std::jmp_buf target;
    std::array<char, JMSG_LENGTH_MAX> message;
  };

  void read_from(Bytes file) {
    source_.init_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = [](j_decompress_ptr) -> boolean { return FALSE; };  // suspend
    source_.skip_input_data = [](j_decompress_ptr info, long count) {
      if (count <= 0) return;
      const std::size_t step = std::min<std::size_t>(info->src->bytes_in_buffer, count);
      info->src->next_input_byte += step;
      info->src->bytes_in_buffer -= step;
    };
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.term_source = [](j_decompress_ptr) {};
    source_.next_input_byte = data_of(file);
    source_.bytes_in_buffer = file.size();
    info_.src = &source_;
  }

  jpeg_decompress_struct info_{};
  Errors errors_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
};

[[noreturn]] void throw_truncated_at(std::uint32_t row, std::uint32_t height) {
  throw BadImage("the JPEG is truncated: the file ends at row " + std::to_string(row) + " of " +
                 std::to_string(height));
}

// `row` comes with the RGB, gray or CMYK samples of libjpeg and `out` gets RGB. Adobe's CMYK is
// inverted: 255 is no ink.
void rgb_of_row(const std::uint8_t* row, J_COLOR_SPACE space, std::size_t width,
                std::uint8_t* out) {
  if (space == JCS_RGB) {
    std::copy_n(row, 3 * width, out);
  } else if (space == JCS_GRAYSCALE) {
    for (std::size_t x = 0; x < width; ++x) std::fill_n(out + 3 * x, 3, row[x]);
  } else {
    for (std::size_t x = 0; x < width; ++x, row += 4) {
      for (std::size_t c = 0; c < 3; ++c) *out++ = light_of_ink(255U - row[c], 255U - row[3]);
    }
  }
}

}  // namespace

Image decode_jpeg(Bytes file) {
  inspect_jpeg(file);
  Decompressor decompressor(file);
  jpeg_decompress_struct& info = decompressor.info();
  int header = JPEG_SUSPENDED;
  decompressor.call_library([&] { header = jpeg_read_header(&info, TRUE); });
  if (header != JPEG_HEADER_OK)
    throw BadImage("the JPEG is truncated: the file ends in its header");
  Image image = make_image(info.image_width, info.image_height);
  info.out_color_space = info.num_components == 1   ? JCS_GRAYSCALE
                         : info.num_components == 4 ? JCS_CMYK
                                                    : JCS_RGB;
  boolean started = FALSE;
  decompressor.call_library([&] { started = jpeg_start_decompress(&info); });
  if (started == FALSE) throw_truncated_at(0, image.height);

  std::vector<std::uint8_t> samples(std::size_t{image.width} * 4);
  decompressor.call_library([&] {
    const std::size_t stride = std::size_t{image.width} * 3;
    while (info.output_scanline < info.output_height) {
      std::uint8_t* out = &image.rgb[info.output_scanline * stride];
      JSAMPROW row = info.out_color_space == JCS_RGB ? out : samples.data();
      if (jpeg_read_scanlines(&info, &row, 1) != 1) return;
      if (row != out) rgb_of_row(row, info.out_color_space, image.width, out);
    }
  });
  if (info.output_scanline < info.output_height) {
    throw_truncated_at(info.output_scanline, image.height);
  }
  return image;
}

}  // namespace graft::image
