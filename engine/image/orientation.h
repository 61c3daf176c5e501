#pragma once
// The EXIF orientation tag, 1 to 8: how the stored rows and columns have to be turned to be
// upright.

#include "engine/image/formats.h"

namespace graft::image {

// The tag's value in an EXIF block; 1 (upright) where there is no block, no tag or no such value.
int orientation_of(Bytes exif);

// Whether the stored rows are the upright picture's columns.
constexpr bool is_on_its_side(int orientation) {
  return orientation >= 5 && orientation <= 8;
}

// The image with its stored first row and first column brought to top and left.
Image upright(Image image, int orientation);

}  // namespace graft::image
