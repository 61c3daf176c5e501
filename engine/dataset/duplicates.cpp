#include "engine/dataset/duplicates.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/text.h"

namespace graft {

SharedImages find_shared_images(const Datasets& datasets, std::size_t named_at_most) {
  using Entry = std::pair<Digest, std::size_t>;  // content, index of the train sample
  std::vector<Entry> train;
  train.reserve(datasets.train.samples.size());
  for (std::size_t i = 0; i < datasets.train.samples.size(); ++i) {
    train.emplace_back(datasets.train.samples[i].content, i);
  }
  std::sort(train.begin(), train.end());

  SharedImages shared;
  for (std::size_t i = 0; i < datasets.validation.samples.size(); ++i) {
    const Digest& content = datasets.validation.samples[i].content;
    auto twin = std::lower_bound(train.begin(), train.end(), Entry{content, 0});
    const std::uint64_t before = shared.pairs;
    for (; twin != train.end() && twin->first == content; ++twin) {
      ++shared.pairs;
      if (shared.named.size() < named_at_most) shared.named.emplace_back(twin->second, i);
    }
    if (shared.pairs > before) ++shared.validation;
  }
  return shared;
}

void warn_of_shared_images(const Datasets& datasets, Observer& observer) {
  const SharedImages shared = find_shared_images(datasets, 10);
  if (shared.pairs == 0) return;
  std::string sentence = fmt::format(
      "{} of validation {} also in train, with the same bytes ({}), so the validation accuracy "
      "will "
      "look better than it is:",
      counted(shared.validation, "image", "images"), shared.validation == 1 ? "stands" : "stand",
      counted(shared.pairs, "pair", "pairs"));
  for (const auto& [train, validation] : shared.named) {
    sentence += fmt::format(
        "\n  {} = {}", (datasets.train.root / datasets.train.samples[train].file).string(),
        (datasets.validation.root / datasets.validation.samples[validation].file).string());
  }
  if (shared.pairs > shared.named.size()) {
    sentence += fmt::format("\n  and {} more", grouped(shared.pairs - shared.named.size()));
  }
  observer.warn(sentence);
}

}  // namespace graft
