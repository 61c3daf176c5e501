#include "engine/dataset/duplicates.h"

#include <fmt/format.h>

#include <map>

#include "engine/base/text.h"

namespace graft {

void warn_of_shared_images(const Datasets& datasets, Observer& observer) {
  std::multimap<Digest, const Sample*> train;
  for (const Sample& sample : datasets.train.samples) train.emplace(sample.content, &sample);

  constexpr std::size_t named_at_most = 10;
  std::size_t images = 0;
  std::size_t pairs = 0;
  std::vector<std::string> lines;
  for (const Sample& sample : datasets.validation.samples) {
    const auto [first, last] = train.equal_range(sample.content);
    if (first != last) ++images;
    for (auto same = first; same != last; ++same) {
      if (pairs++ >= named_at_most) continue;
      lines.push_back(fmt::format("{} = {}", (datasets.train.root / same->second->file).string(),
                                  (datasets.validation.root / sample.file).string()));
    }
  }
  if (pairs == 0) return;
  observer.warn(
      fmt::format("{} of validation {} also in train, with the same bytes ({}), so the validation "
                  "accuracy will look better than it is:{}",
                  counted(images, "image", "images"), images == 1 ? "is" : "are",
                  counted(pairs, "pair", "pairs"), listed_lines(lines, pairs)));
}

}  // namespace graft
