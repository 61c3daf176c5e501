#pragma once
// A part of all photos, for one process of several that share the extraction. The parts depend on the
// photos' names alone: no list is exchanged, and a photo that is added moves no other.

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/base/digest.h"
#include "engine/config/paths.h"

namespace graft {

struct Shard {
  std::size_t index = 0;  // from 0
  std::size_t count = 1;

  // `file`: as in Sample::file, relative to the folder of its set.
  bool takes(std::string_view file) const { return of(file, count) == index; }
  static std::size_t of(std::string_view file, std::size_t count) {
    return static_cast<std::size_t>(digest_of(file).low % count);
  }
  std::string text() const { return std::to_string(index) + '/' + std::to_string(count); }
};

// "3/16", or "auto": what the launcher of this process says (base/launcher.h). Throws Error(usage).
Shard parse_shard(const std::string& text, const Environment& environment);

}  // namespace graft
