#pragma once
// JPEG files that stand for photos: the size of those of a pet set (500×374), its sampling (4:2:0)
// and about its bits a pixel, which decide what decoding costs.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/image/image.h"

namespace graft::bench {

// Soft shapes of three sizes and a little noise, other ones for each seed.
Image made_picture(std::uint32_t seed);
std::vector<std::byte> made_photo(std::uint32_t seed);

}  // namespace graft::bench
