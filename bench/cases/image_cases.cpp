// Decoding and resizing on one thread of the host, eight photos an execution. They belong to the
// suite pipeline: photos/s × threads is the most that its first stages can deliver.

#include <algorithm>
#include <functional>
#include <string>

#include "bench/cases/backend_suites.h"
#include "bench/cases/photos.h"
#include "bench/cases/timed.h"
#include "engine/base/file.h"
#include "engine/image/image.h"

namespace graft::bench {
namespace {

constexpr std::size_t most_photos = 8;
using Files = std::vector<std::vector<std::byte>>;

Files read_photos(const BenchSetup& setup) {
  const std::filesystem::path folder = photos_folder(setup);
  Files files;
  for (const std::string& name : photo_files(folder)) {
    if (files.size() == most_photos) break;
    files.push_back(read_file(folder / name, maximum_image_file_bytes));
  }
  return files;
}

// `make` takes the photos' bytes and returns the execution.
Case image_case(const SuiteContext& context, std::string_view work, AxisValues axes,
                const std::function<std::function<void()>(Files)>& make) {
  Case what = named_case(Suite::pipeline, work, std::move(axes));
  what.items = most_photos;
  what.item = "photos";
  what.prepare = [&context, make] {
    Files files = read_photos(context.setup);
    const std::size_t different = files.size();
    for (std::size_t i = 0; files.size() < most_photos; ++i) files.push_back(files[i % different]);
    return std::make_unique<HostSubject>(context.flush, make(std::move(files)));
  };
  return what;
}

std::function<void()> decoding(Files files, const DecodeOptions& options) {
  return [files = std::move(files), options] {
    for (const auto& file : files) decode_image(file, options);
  };
}

std::function<void()> resizing(const Files& files, Resize filter, ImageSize size) {
  std::vector<Image> images;
  for (const auto& file : files) images.push_back(decode_image(file, {}));
  std::vector<std::uint8_t> target(std::size_t{3} * size.height * size.width);
  return [images = std::move(images), filter, size, target]() mutable {
    for (const Image& image : images) resize_image(image, filter, size, target);
  };
}

}  // namespace

std::vector<Case> image_cases(const SuiteContext& context, const Axes& axes) {
  std::vector<Case> list;
  list.push_back(image_case(context, "decode", {},
                            [](Files files) { return decoding(std::move(files), {}); }));
  for (const ImageSize size : axes.sizes) {
    list.push_back(
        image_case(context, "fast_decode", {{"size", size_text(size)}}, [size](Files files) {
          DecodeOptions options;
          options.shrink_towards = size;
          return decoding(std::move(files), options);
        }));
    for (const Resize filter :
         {Resize::nearest, Resize::bilinear, Resize::bicubic, Resize::lanczos})
      list.push_back(image_case(
          context, "resize", {{"filter", std::string(name_of(filter))}, {"size", size_text(size)}},
          [filter, size](const Files& files) { return resizing(files, filter, size); }));
  }
  return list;
}

}  // namespace graft::bench
