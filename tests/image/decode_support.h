#pragma once
// Decoding of files in memory, and a reference implementation of the EXIF orientations.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/image_files.h"

namespace graft::test {

// The message of the BadImage that decode_image or inspect_image throws; "" if it throws none.
std::string decode_error(const Bytes& file);
std::string inspect_error(const Bytes& file);

int largest_difference(const Image& a, const Image& b);

// The stored image turned upright, by the place of each pixel (EXIF 2.3, table 6).
Image turned(const Image& stored, int orientation);

}  // namespace graft::test
