#include "engine/dataset/shard.h"

#include <fmt/format.h>

#include <charconv>

#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft {

std::string Shard::text() const {
  return fmt::format("{}/{}", index, count);
}

Shard parse_shard(const std::string& text, const Environment&) {
  Shard shard;
  const char* const end = text.data() + text.size();
  const auto index = std::from_chars(text.data(), end, shard.index);
  if (index.ec == std::errc() && index.ptr != end && *index.ptr == '/') {
    const auto count = std::from_chars(index.ptr + 1, end, shard.count);
    if (count.ec == std::errc() && count.ptr == end && shard.index < shard.count) return shard;
  }
  throw Error(ErrorKind::usage, fmt::format("--shard {}: expected i/n with i from 0 to n - 1, or "
                                            "\"auto\"",
                                            printable(text, 100)));
}

}  // namespace graft
