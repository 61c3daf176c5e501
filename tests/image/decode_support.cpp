#include "tests/image/decode_support.h"

#include <algorithm>
#include <cstdlib>

namespace graft::test {

std::string decode_error(const Bytes& file) {
  try {
    decode_image(file, {});
  } catch (const BadImage& error) {
    return error.what();
  }
  return "";
}

std::string inspect_error(const Bytes& file) {
  try {
    inspect_image(file);
  } catch (const BadImage& error) {
    return error.what();
  }
  return "";
}

int largest_difference(const Image& a, const Image& b) {
  if (a.width != b.width || a.height != b.height || a.rgb.size() != b.rgb.size()) return 256;
  int largest = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) {
    largest = std::max(largest, std::abs(int{a.rgb[i]} - int{b.rgb[i]}));
  }
  return largest;
}

}  // namespace graft::test
