// GIF by libgif: the first frame on the screen, as Pillow's convert('RGB') shows it. The screen grows to
// hold the frame. Pixels outside the frame have the transparent index, or 0. The frame's palette counts
// before the screen's, and an index beyond the palette is black. As in Pillow, a palette in which each
// index is the gray of its number counts as none, and without a palette the indices are grays.

#include <gif_lib.h>

#include <array>
#include <cerrno>
#include <memory>
#include <new>
#include <vector>

#include "engine/image/formats.h"

namespace graft::image {
namespace {

// Of pixels to bytes: a code of 12 bits stands for at most 4,096 pixels, earlier ones for fewer.
constexpr std::uint64_t largest_lzw_ratio = 2731;

// ns, or so: see DecodingCost.
constexpr std::uint64_t screen_pixel_work = 2, frame_pixel_work = 10, file_byte_work = 10;

bool has_colours(const ColorMapObject* map) {
  if (map == nullptr) return false;
  for (int i = 0; i < map->ColorCount; ++i) {
    const GifColorType& colour = map->Colors[i];
    if (colour.Red != i || colour.Green != i || colour.Blue != i) return true;
  }
  return false;
}

struct Frame {
  std::size_t left = 0, top = 0, width = 0, height = 0;
};

// A GIF up to the data of its first frame.
class GifFile {
 public:
  explicit GifFile(Bytes file) : rest_(file) {
    errno = 0;
    int error = 0;
    gif_.reset(DGifOpen(this, read, &error));
    if (!gif_) fail(error);
    find_frame();
    const GifImageDesc& image = gif_->Image;
    frame_ = {static_cast<std::size_t>(image.Left), static_cast<std::size_t>(image.Top),
              static_cast<std::size_t>(image.Width), static_cast<std::size_t>(image.Height)};
    check_dimensions(width(), height());
    if (frame_.width * frame_.height == 0) refuse("the GIF's first frame is empty");
    if (rest_.size() * largest_lzw_ratio < frame_.width * frame_.height)
      refuse("the GIF is truncated: {} bytes cannot hold the {} x {} pixels of its first frame",
             rest_.size(), frame_.width, frame_.height);
  }

  const Frame& frame() const { return frame_; }
  bool is_interlaced() const { return gif_->Image.Interlace; }
  std::size_t width() const {
    return std::max(static_cast<std::size_t>(gif_->SWidth), frame_.left + frame_.width);
  }
  std::size_t height() const {
    return std::max(static_cast<std::size_t>(gif_->SHeight), frame_.top + frame_.height);
  }
  std::uint8_t index_outside() const { return index_outside_; }

  Palette palette() const {
    const ColorMapObject* map =
        has_colours(gif_->Image.ColorMap) ? gif_->Image.ColorMap : gif_->SColorMap;
    const bool is_gray = !has_colours(map);
    Palette palette{};
    for (std::size_t i = 0; i < palette.size(); ++i) {
      if (is_gray)
        palette[i].fill(static_cast<std::uint8_t>(i));
      else if (i < static_cast<std::size_t>(map->ColorCount))
        palette[i] = {map->Colors[i].Red, map->Colors[i].Green, map->Colors[i].Blue};
    }
    return palette;
  }

  // The rows come in the order of the file.
  void read_row(std::vector<GifPixelType>& row) {
    check(DGifGetLine(gif_.get(), row.data(), static_cast<int>(row.size())));
  }

 private:
  struct Close {
    void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
  };

  // Behind its end the file has one zero byte: libgif wants the end of the frame's data behind the last
  // pixel, and Pillow does not.
  static int read(GifFileType* gif, GifByteType* target, int size) {
    auto& self = *static_cast<GifFile*>(gif->UserData);
    if (self.rest_.empty() && !self.has_ended_) {
      self.has_ended_ = true;
      *target = 0;
      return 1;
    }
    const auto count = std::min(self.rest_.size(), static_cast<std::size_t>(size));
    std::copy_n(data_of(self.rest_), count, target);
    self.rest_ = self.rest_.subspan(count);
    return static_cast<int>(count);
  }

  void check(int result) const {
    if (result == GIF_ERROR) fail(gif_->Error);
  }

  [[noreturn]] static void fail(int error) {
    if (error == D_GIF_ERR_NOT_ENOUGH_MEM || errno == ENOMEM) throw std::bad_alloc();
    const char* const reason = GifErrorString(error);
    refuse("the GIF is damaged or truncated: {}",
           reason == nullptr ? "its data cannot be read" : reason);
  }

  void find_frame() {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    while (type != IMAGE_DESC_RECORD_TYPE) {
      const int result = DGifGetRecordType(gif_.get(), &type);
      // As in Pillow, other bytes between the parts are skipped.
      if (result == GIF_ERROR && gif_->Error == D_GIF_ERR_WRONG_RECORD) continue;
      check(result);
      if (type == TERMINATE_RECORD_TYPE) refuse("the GIF holds no image");
      if (type == EXTENSION_RECORD_TYPE) read_extension();
    }
    check(DGifGetImageDesc(gif_.get()));
  }

  void read_extension() {
    int code = 0;
    GifByteType* block = nullptr;  // its length first
    check(DGifGetExtension(gif_.get(), &code, &block));
    const bool has_flags = code == GRAPHICS_EXT_FUNC_CODE && block != nullptr && block[0] >= 4;
    if (has_flags && (block[1] & 1) != 0) index_outside_ = block[4];
    while (block != nullptr) check(DGifGetExtensionNext(gif_.get(), &block));
  }

  Bytes rest_;
  bool has_ended_ = false;
  std::unique_ptr<GifFileType, Close> gif_;
  std::uint8_t index_outside_ = 0;
  Frame frame_;
};

}  // namespace

DecodingCost inspect_gif(Bytes file) {
  const GifFile gif(file);
  DecodingCost cost = raw_cost(gif.width(), gif.height());
  cost.work = screen_pixel_work * gif.width() * gif.height() + file_byte_work * file.size() +
              frame_pixel_work * gif.frame().width * gif.frame().height;
  return cost;
}

Image decode_gif(Bytes file, const DecodeOptions&) {
  GifFile gif(file);
  const Palette palette = gif.palette();
  Image image = make_image(gif.width(), gif.height());
  for (std::size_t i = 0; i < image.rgb.size(); ++i)
    image.rgb[i] = palette[gif.index_outside()][i % 3];
  std::vector<GifPixelType> row(gif.frame().width);
  constexpr std::array<std::array<std::size_t, 2>, 5> passes = {
      {{0, 8}, {4, 8}, {2, 4}, {1, 2}, {0, 1}}};  // first row and step; the last one not interlaced
  const std::span all(passes);
  for (const auto& [first, step] : gif.is_interlaced() ? all.first(4) : all.last(1)) {
    for (std::size_t y = first; y < gif.frame().height; y += step) {
      gif.read_row(row);
      const std::size_t pixel = (gif.frame().top + y) * image.width + gif.frame().left;
      std::uint8_t* out = &image.rgb[3 * pixel];
      for (const GifPixelType index : row) out = std::copy_n(palette[index].data(), 3, out);
    }
  }
  return image;
}

}  // namespace graft::image
