// Decoding and resizing on one core. GRAFT_BENCH_IMAGES names a folder whose JPEG files are decoded
// (the first 200 by name); without it the image is a generated one. items_per_second is images a
// second.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/file.h"
#include "engine/image/image.h"

namespace {

using graft::Image;
using graft::Resize;

std::vector<std::vector<std::byte>> photos() {
  std::vector<std::vector<std::byte>> files;
  const char* folder = std::getenv("GRAFT_BENCH_IMAGES");
  if (folder == nullptr) return files;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".jpg") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  paths.resize(std::min<std::size_t>(paths.size(), 200));
  for (const auto& path : paths) {
    files.push_back(graft::read_file(path, graft::maximum_image_file_bytes));
  }
  return files;
}

Image generated_image() {
  Image image{500, 374, {}};
  for (std::uint32_t i = 0; i < image.width * image.height * 3; ++i) {
    image.rgb.push_back(static_cast<std::uint8_t>(i * 2654435761U >> 24));
  }
  return image;
}

void inspect_photos(benchmark::State& state) {
  const auto files = photos();
  if (files.empty()) return state.SkipWithError("GRAFT_BENCH_IMAGES names no folder of .jpg files");
  for (auto _ : state) {
    for (const auto& file : files) benchmark::DoNotOptimize(graft::inspect_image(file));
  }
  state.SetItemsProcessed(state.iterations() * std::ssize(files));
}

void decode_and_resize_photos(benchmark::State& state) {
  const auto files = photos();
  if (files.empty()) return state.SkipWithError("GRAFT_BENCH_IMAGES names no folder of .jpg files");
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
  const auto files = photos();
  if (files.empty()) return state.SkipWithError("GRAFT_BENCH_IMAGES names no folder of .jpg files");
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

BENCHMARK_MAIN();
