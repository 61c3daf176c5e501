#pragma once
// Photos for benchmarks: those of the config, or generated JPEG files.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/cases/backend_suites.h"
#include "engine/image/image.h"

namespace graft::bench {

// The size of photos of a pet data set (500×374): soft shapes and a little noise from the seed.
Image generated_image(std::uint32_t seed);
// As JPEG, with such photos' sampling (4:2:0) and about their bits a pixel, which determine the
// decoding time.
std::vector<std::byte> generated_photo(std::uint32_t seed);

// data.train of the config, or a folder with 32 generated photos, made at the first call.
std::filesystem::path photos_folder(const BenchSetup& setup);
// The images in the folder and below. Throws Error(data) when there is none.
std::vector<std::string> photo_files(const std::filesystem::path& folder);

}  // namespace graft::bench
