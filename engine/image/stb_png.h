#pragma once
// stb_image, PNG only, behind a function that owns the result and bounds every allocation.
// Its callers hand it files whose structure they checked.

#include <cstdint>
#include <memory>

#include "engine/image/formats.h"

namespace graft::image {

struct FreeStb {
  void operator()(void* pixels) const;
};

// Pixels as 3 channels of 8 bits. Throws BadImage with stb_image's reason, also where one
// allocation would take more than `largest_allocation` bytes.
std::unique_ptr<std::uint8_t, FreeStb> stb_decode_rgb(Bytes png, std::size_t largest_allocation);
// Pixels as 1 channel of 16 bits.
std::unique_ptr<std::uint16_t, FreeStb> stb_decode_gray16(Bytes png,
                                                          std::size_t largest_allocation);

}  // namespace graft::image
