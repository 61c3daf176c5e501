// What may state an orientation: an EXIF block, XMP, the chunks of a PNG. Each input is taken as each.

#include "engine/image/formats.h"
#include "tests/fuzz/fuzz.h"

GRAFT_FUZZ_TARGET(input) {
  using namespace graft::fuzz;
  using namespace graft::image;
  const auto check = [](const Metadata& metadata) {
    const int orientation = orientation_of(metadata);
    require(orientation >= 1 && orientation <= 8, "an orientation is 1 to 8");
    require(orientation == orientation_of(metadata), "it depends on the metadata alone");
    if (orientation != 1) count_accepted();
  };
  const std::string text(graft::fuzz::text_of(input));
  check({text, {}});
  check({{}, text});
  for (const char* type : {"eXIf", "tEXt", "zTXt", "iTXt"}) {
    PngMetadata png;
    png.add(type, graft::fuzz::text_of(before_unreadable_memory(input)));
    check(png.read());
  }
  return 0;
}
