#pragma once
// The fat binary that nvcc embeds: a list of images (PTX text, SASS) for several architectures.

#include <string>
#include <vector>

namespace vgpu {

struct Image {
  bool is_ptx = false;
  int architecture = 0;  // 80 for compute_80 and sm_80
  std::string text;      // PTX only, decompressed
};

// `wrapper` is what a program gives to __cudaRegisterFatBinary. Throws std::runtime_error for a
// layout or a compression that is not known.
std::vector<Image> read_fat_binary(const void* wrapper);

// The PTX to run on a device of this architecture, or nullptr where a real driver would find no
// image (error 209). SASS for the device counts as an image; the PTX nearest to the device is run
// for it.
const Image* choose_ptx(const std::vector<Image>& images, int architecture);

}  // namespace vgpu
