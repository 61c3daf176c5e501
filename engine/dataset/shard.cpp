#include "engine/dataset/shard.h"

#include "engine/base/error.h"
#include "engine/base/launcher.h"
#include "engine/base/text.h"

namespace graft {

Shard parse_shard(const std::string& text, const Environment& environment) try {
  if (text == "auto") {
    const Rank rank = rank_of_process(environment.variable);
    return {rank.index, rank.count};
  }
  const std::size_t slash = text.find('/');
  const auto index = whole_number(text.substr(0, slash));
  const auto count = whole_number(slash == std::string::npos ? "" : text.substr(slash + 1));
  if (!index || !count || *count > 1'000'000)
    throw Error(ErrorKind::usage, "expected \"auto\" or i/n, as 0/16, with n up to 1,000,000");
  if (*index >= *count)
    throw Error(ErrorKind::usage, "there is no part {} of {}; i counts from 0 to n - 1", *index,
                *count);
  return {*index, *count};
} catch (const Error& error) {
  throw Error(error.kind(), "--shard {}: {}", printable(text, 100), error.what());
}

}  // namespace graft
