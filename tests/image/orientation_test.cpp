// Where a file may state its orientation, and which place counts. The answers are those of Pillow 13's
// ImageOps.exif_transpose.

#include <zlib.h>

#include "engine/base/file.h"
#include "tests/image/decode_support.h"
#include "tests/support/npz.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

constexpr std::string_view prefix{"Exif\0\0", 6};

std::string text_of(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string exif(int orientation) {
  return text_of(exif_block(orientation));
}

std::string xmp(int orientation) {
  return "<rdf:Description tiff:Orientation=\"" + std::to_string(orientation) + "\"/>";
}

std::string xmp_segment(const std::string& text) {
  return std::string("http://ns.adobe.com/xap/1.0/") + '\0' + text;
}

// Smooth: a quarter of a turn and a flip change it.
Image picture() {
  return smooth_image(24, 16);
}

// Which of the eight orientations the decoder turned the file by; 0 if none of them.
int orientation_found(const Bytes& file) {
  const Image stored = decode_image(file, {});
  const Image decoded = decode_image(file, {true, Gray16::high_byte});
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const Image expected = turned(stored, orientation);
    if (decoded.width == expected.width && decoded.rgb == expected.rgb) return orientation;
  }
  return 0;
}

// A JPEG with these segments APP1.
int of_jpeg(const std::vector<std::string>& segments) {
  Bytes file = jpeg_file(picture());
  Bytes added;
  for (const std::string& segment : segments) {
    append_big_endian(added, 0xFFE1, 2);
    append_big_endian(added, segment.size() + 2, 2);
    const Bytes bytes = bytes_of(segment);
    added.insert(added.end(), bytes.begin(), bytes.end());
  }
  file.insert(file.begin() + 2, added.begin(), added.end());
  return orientation_found(file);
}

// A PNG with these chunks, before its pixels or behind them.
int of_png(const std::vector<std::pair<std::string, std::string>>& chunks, bool before = true) {
  Bytes added;
  for (const auto& [type, data] : chunks) append_png_chunk(added, type, bytes_of(data));
  Bytes file = png_file(picture());
  const std::ptrdiff_t header_end = 8 + 25;
  const std::ptrdiff_t end_begin = static_cast<std::ptrdiff_t>(file.size()) - 12;
  file.insert(file.begin() + (before ? header_end : end_begin), added.begin(), added.end());
  return orientation_found(file);
}

std::string deflated(const std::string& text) {
  uLongf size = compressBound(text.size());
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(text.data()), text.size());
  packed.resize(size);
  return packed;
}

// As ImageMagick writes it.
std::string profile(const std::string& bytes) {
  std::string text = "\nexif\n      " + std::to_string(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    constexpr std::string_view digits = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (i % 36 == 0) text += '\n';
    text += digits[byte >> 4U];
    text += digits[byte & 15U];
  }
  return text + '\n';
}

// A keyword and what stands between it and the text.
const std::string profile_key = std::string("Raw profile type exif") + '\0';
const std::string xmp_key = std::string("XML:com.adobe.xmp") + '\0';
const std::string plain_itxt(4, '\0');  // flags, language, translation
const std::string packed_itxt = std::string("\1\0", 2) + std::string("en\0\0", 4);

TEST(Orientation, ReferenceFilesAreTurnedAsByPillow) {
  GRAFT_REFERENCE_OR_SKIP(reference);
  const std::filesystem::path folder = reference / "reference" / "field_faults";
  const auto arrays = read_npz(folder / "expected.npz");
  for (const std::string name :
       {"orientation/e_xmp_only6.jpg", "orientation/e_png_xmp6.png",
        "orientation/e_exif_double_prefix.jpg", "orientation/e_png_rawprofile6.png"}) {
    SCOPED_TRACE(name);
    const Image image =
        decode_image(read_file(folder / name, maximum_image_file_bytes), {true, Gray16::high_byte});
    std::vector<std::uint8_t> small(std::size_t{150} * 150 * 3);
    resize_image(image, Resize::nearest, {150, 150}, small);
    EXPECT_TRUE(small == arrays.at(name + "|nearest150").bytes_u8());
  }
}

TEST(Orientation, InAJpegExifComesBeforeXmp) {
  const std::string six = std::string(prefix) + exif(6);
  EXPECT_EQ(of_jpeg({}), 1);
  EXPECT_EQ(of_jpeg({six}), 6);
  EXPECT_EQ(of_jpeg({xmp_segment(xmp(8))}), 8);
  EXPECT_EQ(of_jpeg({xmp_segment(xmp(8)), six}), 6);
  EXPECT_EQ(of_jpeg({xmp_segment(xmp(8)), xmp_segment(xmp(3))}), 3) << "the last XMP counts";
  EXPECT_EQ(of_jpeg({"http://ns.adobe.com/xmp/extension/" + xmp(8)}), 1);
}

TEST(Orientation, AnExifBlockHasOnePrefixOrTwoAndMayBeInParts) {
  const std::string block = exif(5);
  EXPECT_EQ(of_jpeg({std::string(prefix) + std::string(prefix) + block}), 5);
  EXPECT_EQ(of_jpeg({std::string(prefix) + std::string(prefix) + std::string(prefix) + block}), 1);
  EXPECT_EQ(
      of_jpeg({std::string(prefix) + block.substr(0, 15), std::string(prefix) + block.substr(15)}),
      5);
}

TEST(Orientation, XmpCountsOnlyWhereExifHasNoTag) {
  std::string other_tag = exif(6);
  other_tag[10] = 0x31;  // the tag Software
  EXPECT_EQ(of_jpeg({std::string(prefix) + other_tag, xmp_segment(xmp(7))}), 7);
  EXPECT_EQ(of_jpeg({std::string(prefix), xmp_segment(xmp(7))}), 7);
  EXPECT_EQ(of_jpeg({std::string(prefix) + exif(9), xmp_segment(xmp(7))}), 1) << "9 is upright";
  EXPECT_EQ(of_jpeg({std::string(prefix) + "no TIFF", xmp_segment(xmp(7))}), 1);
}

TEST(Orientation, TheTagMayHaveAnyIntegerTypeAndEitherByteOrder) {
  std::string block = exif(6);
  block[12] = 4;  // LONG
  EXPECT_EQ(of_jpeg({std::string(prefix) + block}), 6);
  for (const char type : {1, 2, 7, 12, 14}) {
    block[12] = type;  // bytes, text, bytes, double, none
    EXPECT_EQ(of_jpeg({std::string(prefix) + block}), 1) << int{type};
  }
  const std::string big{"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0", 26};
  EXPECT_EQ(of_jpeg({std::string(prefix) + big}), 6);
}

TEST(Orientation, ADamagedBlockIsReadUpToItsDamage) {
  const std::string block = exif(6);
  for (std::size_t size = 0; size < block.size(); ++size)
    EXPECT_EQ(of_jpeg({std::string(prefix) + block.substr(0, size)}), size < 22 ? 1 : 6) << size;
  // The text of a tag before the orientation is missing: Pillow stops there.
  std::string cut("II*\0\x08\0\0\0\x02\0\x0F\x01\x02\0\x10\0\0\0\xF0\0\0\0", 22);
  cut += block.substr(10);
  EXPECT_EQ(of_jpeg({std::string(prefix) + cut}), 1);
  cut[14] = 4;  // now it is in its entry
  EXPECT_EQ(of_jpeg({std::string(prefix) + cut}), 6);
}

TEST(Orientation, XmpIsAnAttributeOrAnElement) {
  EXPECT_EQ(of_jpeg({xmp_segment("<tiff:Orientation>4</tiff:Orientation>")}), 4);
  EXPECT_EQ(of_jpeg({xmp_segment("tiff:Orientation tiff:Orientation=\"2\"")}), 2);
  EXPECT_EQ(of_jpeg({xmp_segment("tiff:Orientation='2'")}), 1) << "Pillow wants a double quote";
  EXPECT_EQ(of_jpeg({xmp_segment("tiff:Orientation=\"")}), 1);
}

TEST(Orientation, InAPngTheChunkComesBeforeTheProfileAndXmp) {
  EXPECT_EQ(of_png({{"eXIf", exif(6)}}), 6);
  EXPECT_EQ(of_png({{"eXIf", std::string(prefix) + exif(6)}}), 6);
  EXPECT_EQ(of_png({{"eXIf", exif(6)}, {"eXIf", exif(8)}}), 8) << "the last one counts";
  EXPECT_EQ(of_png({{"tEXt", profile_key + profile(exif(3))}, {"eXIf", exif(6)}}), 6);
  EXPECT_EQ(of_png({{"iTXt", xmp_key + plain_itxt + xmp(2)}, {"eXIf", exif(6)}}), 6);
  EXPECT_EQ(of_png({{"iTXt", xmp_key + plain_itxt + xmp(2)}}, false), 2) << "behind the pixels";
}

TEST(Orientation, APngsTextMayBeDeflated) {
  const std::string raw = profile(std::string(prefix) + exif(7));
  EXPECT_EQ(of_png({{"tEXt", profile_key + raw}}), 7);
  EXPECT_EQ(of_png({{"zTXt", profile_key + '\0' + deflated(raw)}}), 7);
  EXPECT_EQ(of_png({{"iTXt", profile_key + packed_itxt + deflated(raw)}}), 7);
  EXPECT_EQ(of_png({{"zTXt", xmp_key + '\0' + deflated(xmp(5))}}), 5);
  EXPECT_EQ(of_png({{"iTXt", xmp_key + packed_itxt + deflated(xmp(5))}}), 5);
}

TEST(Orientation, BrokenTextInAPngIsNoOrientation) {
  for (const std::string data :
       {"", "no hexadecimal digits", "\nexif\n 26\n4949zz", "\nexif\n 1\n4"})
    EXPECT_EQ(of_png({{"tEXt", profile_key + data}}), 1) << data;
  EXPECT_EQ(of_png({{"zTXt", profile_key}, {"iTXt", xmp_key + '\1'}, {"tEXt", "no keyword"}}), 1);
  EXPECT_EQ(of_png({{"zTXt", xmp_key + '\0' + "not deflated" + xmp(5)}}), 1);
  // 64 MiB of text; the first MiB is read.
  const std::string bomb = deflated(std::string(std::size_t{64} << 20U, ' ') + xmp(5));
  EXPECT_EQ(of_png({{"zTXt", xmp_key + '\0' + bomb}}), 1);
}

TEST(Orientation, ATiffIsTurnedByItsTagOrElseByXmp) {
  const Image image = picture();
  TiffOptions options;
  options.orientation = 0;
  const Image stored = decode_image(tiff_file(image.width, image.height, image.rgb, options), {});
  EXPECT_EQ(stored.rgb, image.rgb);
  options.xmp = xmp(6);
  const Image by_xmp = decode_image(tiff_file(image.width, image.height, image.rgb, options), {});
  EXPECT_EQ(by_xmp.rgb, turned(image, 6).rgb);
  EXPECT_EQ(by_xmp.width, image.height);
  options.orientation = 3;
  const Image by_tag = decode_image(tiff_file(image.width, image.height, image.rgb, options), {});
  EXPECT_EQ(by_tag.rgb, turned(image, 3).rgb);
}

}  // namespace
}  // namespace graft::test
