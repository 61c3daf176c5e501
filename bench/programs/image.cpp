// Reading pictures, on one core: items_per_second is images a second per core. The photos are JPEG
// files that the program makes itself (made_photos.h), or those of the folder that
// GRAFT_BENCH_IMAGES names (the first 200 by name); what they are is printed first.
//   build/release/bench/bench_image

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/suites/made_photos.h"
#include "engine/base/file.h"
#include "engine/image/image.h"

namespace {

using graft::Image;
using graft::Resize;

using Files = std::vector<std::vector<std::byte>>;

Files photos_below(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".jpg") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  paths.resize(std::min<std::size_t>(paths.size(), 200));
  Files files;
  for (const auto& path : paths) {
    files.push_back(graft::read_file(path, graft::maximum_image_file_bytes));
  }
  return files;
}

Files made_photos() {
  Files files;
  for (std::uint32_t seed = 1; seed <= 50; ++seed) files.push_back(graft::bench::made_photo(seed));
  return files;
}

const Files& photos() {
  static const Files files = [] {
    const char* folder = std::getenv("GRAFT_BENCH_IMAGES");
    return folder != nullptr ? photos_below(folder) : made_photos();
  }();
  return files;
}

bool describe_photos() {
  const char* folder = std::getenv("GRAFT_BENCH_IMAGES");
  if (photos().empty()) {
    std::fprintf(stderr, "GRAFT_BENCH_IMAGES: there is no .jpg file below %s\n", folder);
    return false;
  }
  double bytes = 0, pixels = 0;
  for (const auto& file : photos()) {
    const Image image = graft::decode_image(file, {});
    bytes += static_cast<double>(file.size());
    pixels += static_cast<double>(image.width) * image.height;
  }
  const auto count = static_cast<double>(photos().size());
  std::printf("%zu JPEG files, %s: %.0f kB and %.0f kilopixels on average\n", photos().size(),
              folder != nullptr ? folder : "made here", bytes / count * 1e-3,
              pixels / count * 1e-3);
  return true;
}

Image generated_image() {
  Image image{500, 374, {}};
  for (std::uint32_t i = 0; i < image.width * image.height * 3; ++i) {
    image.rgb.push_back(static_cast<std::uint8_t>(i * 2654435761U >> 24));
  }
  return image;
}

void inspect_photos(benchmark::State& state) {
  const Files& files = photos();
  for (auto _ : state) {
    for (const auto& file : files) benchmark::DoNotOptimize(graft::inspect_image(file));
  }
  state.SetItemsProcessed(state.iterations() * std::ssize(files));
}

void decode_and_resize_photos(benchmark::State& state) {
  const Files& files = photos();
  const auto filter = static_cast<Resize>(state.range(0));
  state.SetLabel(std::string(graft::name_of(filter)));
  std::vector<std::uint8_t> target(150 * 150 * 3);
  for (auto _ : state) {
    for (const auto& file : files) {
      graft::resize_image(graft::decode_image(file, {}), filter, {150, 150}, target);
      benchmark::DoNotOptimize(target.data());
    }
  }
  state.SetItemsProcessed(state.iterations() * std::ssize(files));
}

// data.fast_decode: as decode_and_resize_photos, each photo shrunk while it is decoded.
void fast_decode_and_resize_photos(benchmark::State& state) {
  const Files& files = photos();
  const auto filter = static_cast<Resize>(state.range(0));
  state.SetLabel(std::string(graft::name_of(filter)));
  graft::DecodeOptions options;
  options.shrink_towards = graft::ImageSize{150, 150};
  std::vector<std::uint8_t> target(150 * 150 * 3);
  for (auto _ : state) {
    for (const auto& file : files) {
      graft::resize_image(graft::decode_image(file, options), filter, {150, 150}, target);
      benchmark::DoNotOptimize(target.data());
    }
  }
  state.SetItemsProcessed(state.iterations() * std::ssize(files));
}

void resize(benchmark::State& state) {
  const Image image = generated_image();
  const auto filter = static_cast<Resize>(state.range(0));
  state.SetLabel(std::string(graft::name_of(filter)) + " 500x374 to 150x150");
  std::vector<std::uint8_t> target(150 * 150 * 3);
  for (auto _ : state) {
    graft::resize_image(image, filter, {150, 150}, target);
    benchmark::DoNotOptimize(target.data());
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(inspect_photos)->Unit(benchmark::kMillisecond);
BENCHMARK(decode_and_resize_photos)->DenseRange(0, 3)->Unit(benchmark::kMillisecond);
BENCHMARK(fast_decode_and_resize_photos)->DenseRange(0, 3)->Unit(benchmark::kMillisecond);
BENCHMARK(resize)->DenseRange(0, 3)->Unit(benchmark::kMicrosecond);

}  // namespace

int main(int count, char** values) {
  benchmark::Initialize(&count, values);
  if (benchmark::ReportUnrecognizedArguments(count, values) || !describe_photos()) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
