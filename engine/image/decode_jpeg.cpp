// JPEG by libjpeg-turbo with its defaults (islow DCT, fancy upsampling), which is what Pillow uses.
// A file that ends early is refused: the source suspends at the end of the file instead of
// inventing an end marker, so that libjpeg never pads the picture. Other damage that libjpeg warns
// of and goes on from is tolerated, as Pillow does. Files that end after the last row without an
// end marker pass.
//
// A shrunk picture (shrink_towards) comes from an inverse DCT of 4, 2 or 1 points a side: nearly
// the mean of each 2×2, 4×4 or 8×8 pixels. No filter of ours reads only such means, so there is
// none after which the result is proven the same: "nearest" picks single pixels of the whole
// picture, the others weigh each. Only a picture that is not shrunk is the same to the byte.

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

// The least of 1, 2, 4 and 8 as n of n/8, the scales of the inverse DCT, at which the picture is
// still as large as `target`; 8 where it is smaller anyway. libjpeg-turbo has vector code for these
// four alone: with 3, 5, 6 and 7 between them the same photos took longer.
unsigned scale_towards(const ImageSize& target, const jpeg_decompress_struct& info) {
  constexpr unsigned whole = DCTSIZE;
  for (unsigned scale = 1; scale < whole; scale *= 2) {
    const auto scaled = [&](std::uint64_t side) { return (side * scale + whole - 1) / whole; };
    if (scaled(info.image_width) >= target.width && scaled(info.image_height) >= target.height)
      return scale;
  }
  return whole;
}

}  // namespace

Image decode_jpeg(Bytes file, const std::optional<ImageSize>& shrink_towards) {
  inspect_jpeg(file);
  Decompressor decompressor(file);
  jpeg_decompress_struct& info = decompressor.info();
  int header = JPEG_SUSPENDED;
  decompressor.call_library([&] { header = jpeg_read_header(&info, TRUE); });
  if (header != JPEG_HEADER_OK)
    throw BadImage("the JPEG is truncated: the file ends in its header");
  if (shrink_towards) {
    info.scale_num = scale_towards(*shrink_towards, info);
    info.scale_denom = DCTSIZE;
  }
  decompressor.call_library([&] { jpeg_calc_output_dimensions(&info); });
  Image image = make_image(info.output_width, info.output_height);
  info.out_color_space = info.num_components == 1   ? JCS_GRAYSCALE
                         : info.num_components == 4 ? JCS_CMYK
                                                    : JCS_RGB;
  boolean started = FALSE;
  decompressor.call_library([&] { started = jpeg_start_decompress(&info); });
  if (started == FALSE) throw_truncated_at(0, info.image_height);

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
    const std::uint64_t row =
        std::uint64_t{info.output_scanline} * info.image_height / info.output_height;
    throw_truncated_at(static_cast<std::uint32_t>(row), info.image_height);
  }
  return image;
}

}  // namespace graft::image
