#include "training_support.h"

#include "engine/base/file.h"
#include "kernels/philox.h"
#include "tests/support/support.h"

namespace graft::test {

SmallSet::SmallSet(std::size_t rows, std::size_t class_count, std::uint64_t seed,
                   FeatureShape features)
    : shape(features) {
  if (class_count == 0) throw std::invalid_argument("a set has at least one class");
  for (std::size_t c = 0; c < class_count; ++c) classes.push_back("class " + std::to_string(c));
  for (std::size_t row = 0; row < rows; ++row) {
    const RandomStream stream{seed, RandomPurpose::shuffle, 0, row};
    labels.push_back(static_cast<std::uint32_t>(row % class_count));
    files.push_back(classes[labels.back()] + "/" + std::to_string(row) + ".png");
    contents.push_back(digest_of(files.back()));
    for (std::size_t column = 0; column < shape.count(); ++column) {
      const float noise = uniform_from_word(random_word(stream, column));
      values.push_back(noise + (column % class_count == labels.back() ? 0.5F : 0.0F));
    }
  }
  fingerprint = digest_of(std::as_bytes(std::span(values)));
}

void SmallSet::pair_rows() {
  views = 2;
  const std::size_t photos = labels.size() / 2;
  labels.resize(photos);
  files.resize(photos);
  contents.resize(photos);
  for (std::size_t photo = 0; photo < photos; ++photo) {
    labels[photo] = static_cast<std::uint32_t>(photo % classes.size());
  }
}

Config small_config() {
  Config config;
  config.seed = 5;
  config.head.hidden = {8};
  config.head.dropout = 0.25;
  config.train.epochs = 4;
  config.train.batch_size = 4;
  config.train.optimizer.learning_rate = 0.01;
  return config;
}

History SmallRun::into(const std::filesystem::path& output, const std::filesystem::path& finished) {
  HeadBackend backend([&](const HeadOptions& options) {
    heads.push_back(options);
    return std::make_unique<reference::ReferenceHead>(options, before);
  });
  return train_head({backend, observer, tracer, stop.get_token()}, train.view(), validation.view(),
                    config, {output, finished});
}

std::map<std::string, std::string> files_in(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files[entry.path().filename().string()] = read_text_file(entry.path(), 1 << 26);
  }
  return files;
}

std::map<std::string, std::string> files_of_a_full_run(const Config& config) {
  const TemporaryFolder folder;
  SmallRun run;
  run.config = config;
  run.into(folder.path());
  return files_in(folder.path());
}

}  // namespace graft::test
