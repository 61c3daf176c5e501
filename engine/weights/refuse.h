#pragma once
// Errors of the readers: Error(weights) whose message begins with the file's path. The names of tensors
// that it holds are escaped, and it is bounded. Text and size of a shape.

#include <fmt/format.h>

#include <cstddef>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>

#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft {

template <typename... Arguments>
[[noreturn]] void refuse_weights(const std::filesystem::path& path,
                                 fmt::format_string<Arguments...> sentence,
                                 Arguments&&... arguments) {
  constexpr std::size_t longest = 3000;
  const std::string text = fmt::format(sentence, std::forward<Arguments>(arguments)...);
  throw Error(ErrorKind::weights, shown(path) + ": " + printable(text, longest));
}

// "64×3×3×3"; a scalar is "()".
inline std::string shape_text(std::span<const std::size_t> shape) {
  if (shape.empty()) return "()";
  return fmt::format("{}", fmt::join(shape, "×"));
}

// The number of values of a shape, or nothing when it does not fit a size_t.
inline std::optional<std::size_t> value_count(std::span<const std::size_t> shape) {
  std::size_t count = 1;
  for (const std::size_t extent : shape) {
    if (extent != 0 && count > std::numeric_limits<std::size_t>::max() / extent) {
      return std::nullopt;
    }
    count *= extent;
  }
  return count;
}

}  // namespace graft
