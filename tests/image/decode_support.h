#pragma once
// What decoding a file in memory gives.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/image_files.h"

namespace graft::test {

// The sentence of the BadImage that decode_image or inspect_image throws; "" where none does.
std::string decode_error(const Bytes& file);
std::string inspect_error(const Bytes& file);

int largest_difference(const Image& a, const Image& b);

}  // namespace graft::test
