// What inspect_image says of memory and work, against counted allocations; and lack of memory, which
// is never a bad image. A program of its own: it replaces malloc.

#include <functional>

#include "tests/image/counted_allocations.h"
#include "tests/image/decode_support.h"

namespace graft::test {
namespace {

struct NamedFile {
  std::string name;
  Bytes bytes;
};

std::vector<NamedFile> jpegs(const Image& image) {
  std::vector<NamedFile> files;
  for (const int channels : {1, 3, 4}) {
    for (const int sampling : {1, 2}) {
      for (const bool progressive : {false, true}) {
        JpegOptions options{90, channels, sampling, sampling, progressive, 0, 6};
        files.push_back({"JPEG " + std::to_string(channels) + (sampling == 2 ? " shared" : "") +
                             (progressive ? " progressive" : ""),
                         jpeg_file(image, options)});
      }
    }
  }
  for (const bool progressive : {false, true}) {
    JpegOptions options;
    options.progressive = progressive;
    options.arithmetic = true;
    files.push_back({progressive ? "arithmetic progressive JPEG" : "arithmetic JPEG",
                     jpeg_file(image, options)});
  }
  return files;
}

std::vector<NamedFile> pngs(const Image& image) {
  std::vector<NamedFile> files;
  for (const auto& [colour, depth, bits] : {std::array{0, 1, 1},
                                            {0, 16, 16},
                                            {2, 8, 24},
                                            {2, 16, 48},
                                            {3, 8, 8},
                                            {6, 8, 32},
                                            {6, 16, 64}}) {
    PngOptions options{colour, depth};
    options.orientation = 6;
    if (colour == 3) options.palette = Bytes(768, std::byte{1});
    const std::size_t row = (std::size_t{image.width} * static_cast<std::size_t>(bits) + 7) / 8 + 1;
    files.push_back({"PNG " + std::to_string(colour) + " " + std::to_string(depth),
                     png_file(image.width, image.height, Bytes(row * image.height), options)});
  }
  PngOptions interlaced{6, 16};
  interlaced.interlaced = true;
  // The seven passes have some bytes more.
  const Bytes rows((std::size_t{image.width} * 8 + 32) * image.height);
  files.push_back({"interlaced PNG", png_file(image.width, image.height, rows, interlaced)});
  return files;
}

// What a file may hold much of beside its pixels.
std::vector<NamedFile> files_of_many_parts(const Image& image) {
  constexpr std::size_t after_header = 33;
  const Bytes plain = png_file(image);
  Bytes parts(plain.begin(), plain.begin() + after_header);
  for (int i = 0; i < 300'000; ++i) append_png_chunk(parts, "IDAT", {});
  parts.insert(parts.end(), plain.begin() + after_header, plain.end());

  std::string profile = "Raw profile type exif";
  profile += std::string("\0\n\n\n", 4) + std::string(4'000'000, '0');
  Bytes text(plain.begin(), plain.begin() + after_header);
  append_png_chunk(text, "tEXt", bytes_of(profile));
  text.insert(text.end(), plain.begin() + after_header, plain.end());

  const Bytes picture = jpeg_file(image, {});
  Bytes segment = bytes_of(std::string_view("\xFF\xE1\xFF\xFF"));
  segment.resize(2 + 0xFFFF);
  std::ranges::copy(bytes_of(std::string_view("Exif\0\0", 6)), segment.begin() + 4);
  Bytes exif(picture.begin(), picture.begin() + 2);
  for (int i = 0; i < 70; ++i) exif.insert(exif.end(), segment.begin(), segment.end());
  exif.insert(exif.end(), picture.begin() + 2, picture.end());

  const Bytes webp = webp_file(image, 80);
  constexpr std::size_t to_data = 20;
  Bytes header = {std::byte{8}, {}, {}, {}};  // with EXIF
  append_little_endian(header, image.width - 1, 3);
  append_little_endian(header, image.height - 1, 3);
  const Bytes webp_with_exif = webp_of({{"VP8X", header},
                                        {"VP8 ", Bytes(webp.begin() + to_data, webp.end())},
                                        {"EXIF", Bytes(5'000'000)}});
  return {{"PNG of many parts", parts},
          {"PNG with a text", text},
          {"JPEG with EXIF", exif},
          {"WebP with EXIF", webp_with_exif}};
}

std::vector<NamedFile> tiffs(const Image& image) {
  std::vector<NamedFile> files;
  const std::vector<std::uint8_t> samples(std::size_t{image.width} * image.height * 8, 77);
  for (const int compression : {1, 5, 8, 32773}) {
    for (const std::uint32_t tile : {0U, 64U}) {
      for (const int bits : {8, 16}) {
        TiffOptions options;
        options.samples = 4;
        options.extra_sample = 2;
        options.bits = bits;
        options.compression = compression;
        options.tile = tile;
        options.separate_planes = tile > 0;
        options.orientation = 6;
        files.push_back({"TIFF " + std::to_string(compression) + " " + std::to_string(bits) +
                             (tile > 0 ? " tiles" : " strips"),
                         tiff_file(image.width, image.height, samples, options)});
      }
    }
  }
  TiffOptions jpeg;
  jpeg.compression = 7;
  jpeg.tile = 64;
  files.push_back({"TIFF of JPEGs", tiff_file(image.width, image.height, image.rgb, jpeg)});
  return files;
}

std::vector<NamedFile> files_of_all_formats(const Image& image) {
  std::vector<NamedFile> files = jpegs(image);
  for (const auto& more : {pngs(image), files_of_many_parts(image), tiffs(image)})
    files.insert(files.end(), more.begin(), more.end());
  files.push_back({"BMP", bmp_file(image)});
  for (const int quality : {-1, 80})
    for (const bool with_alpha : {false, true})
      files.push_back({"WebP " + std::to_string(quality) + (with_alpha ? " alpha" : ""),
                       webp_file(image, quality, with_alpha)});
  files.push_back({"GIF", gif_file(image)});
  files.push_back({"PNM", pnm_file('6', image.width, image.height, 255, image.rgb)});
  const std::vector<std::uint8_t> wide(std::size_t{image.width} * image.height * 2);
  files.push_back({"PNM of 16 bits", pnm_file('5', image.width, image.height, 65535, wide)});
  return files;
}

TEST(DecodingCost, BoundsTheMemoryThatDecodingTakes) {
  for (const auto& [name, bytes] : files_of_all_formats(noise_image(600, 500))) {
    SCOPED_TRACE(name);
    const DecodingCost cost = inspect_image(bytes);
    EXPECT_EQ(cost.width, 600U);
    EXPECT_EQ(cost.height, 500U);
    start_counting();
    const Image image = decode_image(bytes, {true, Gray16::high_byte});
    const std::int64_t peak = stop_counting().peak;
    EXPECT_GE(static_cast<std::int64_t>(cost.bytes), peak);
    EXPECT_LE(static_cast<std::int64_t>(cost.bytes), 4 * peak);
  }
}

TEST(DecodingCost, BoundsTheMemoryThatResizingTakes) {
  for (const auto& [width, height] :
       {std::pair{1U, 9000U}, {9000U, 1U}, {900U, 800U}, {40U, 2000U}, {2000U, 40U}}) {
    const Image image{width, height, std::vector<std::uint8_t>(std::size_t{width} * height * 3)};
    for (const Resize filter :
         {Resize::nearest, Resize::bilinear, Resize::bicubic, Resize::lanczos}) {
      for (const ImageSize size : {ImageSize{150, 150}, ImageSize{32, 700}, ImageSize{700, 32}}) {
        std::vector<std::uint8_t> target(std::size_t{size.width} * size.height * 3);
        const DecodingCost cost = with_resizing({width, height, 0, 0}, filter, size);
        start_counting();
        resize_image(image, filter, size, target);
        EXPECT_GE(static_cast<std::int64_t>(cost.bytes), stop_counting().peak)
            << width << " x " << height << " to " << size.width << " x " << size.height;
      }
    }
  }
}

TEST(DecodingCost, InspectionTakesNoMoreMemoryThanTheFile) {
  constexpr std::int64_t fixed = 300 * 1024;
  for (const auto& [name, bytes] : files_of_all_formats(noise_image(600, 500))) {
    start_counting();
    inspect_image(bytes);
    EXPECT_LE(stop_counting().peak, static_cast<std::int64_t>(bytes.size()) + fixed) << name;
  }
}

// What is wrong with a decoder whose allocation number `failing` fails; "" if nothing is.
std::string fault_without_memory(const Bytes& bytes, const Image& expected, std::size_t failing,
                                 std::size_t least) {
  std::optional<Image> image;
  std::string fault;
  start_counting(failing, least);
  try {
    image = decode_image(bytes, {});
  } catch (const std::bad_alloc&) {
  } catch (const BadImage& bad) {
    fault = bad.what();
  }
  stop_counting();
  return image && image->rgb != expected.rgb ? "another image" : fault;
}

TEST(DecodingCost, LackOfMemoryInAnyDecoderIsNoBadImage) {
  for (const auto& [name, bytes] : files_of_all_formats(noise_image(70, 66))) {
    SCOPED_TRACE(name);
    // libtiff crashes without memory for the state of a codec; a page is more than that. libwebp
    // crashes without memory for a table of codes; what decode_webp asks for in advance is more.
    const std::size_t least = name.starts_with("TIFF")      ? 4096
                              : name.starts_with("WebP -1") ? 32'768
                                                            : 0;
    start_counting(std::numeric_limits<std::size_t>::max(), least);
    const Image expected = decode_image(bytes, {});
    const std::size_t calls = stop_counting().calls;
    ASSERT_GT(calls, 0U);
    for (std::size_t failing = 0; failing < calls; ++failing)
      EXPECT_EQ(fault_without_memory(bytes, expected, failing, least), "") << failing;
  }
}

}  // namespace
}  // namespace graft::test
