#include "engine/job/extraction.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "engine/base/memory.h"
#include "engine/base/text.h"
#include "engine/config/config_file.h"
#include "engine/features/shard_folders.h"
#include "kernels/cpu/thread_pool.h"

namespace graft {
namespace {

// The check of refuse_output_among_images for folders that were found behind links.
void refuse_output_among(const Datasets& datasets, const Config& config) {
  const std::filesystem::path& validation =
      config.data.validation.empty() ? config.data.train : config.data.validation;
  std::set<std::filesystem::path> folders;
  for (const auto& [set, source] : {std::pair(&datasets.train, &config.data.train),
                                    std::pair(&datasets.validation, &validation)}) {
    if (is_csv_file(*source)) continue;
    for (const Sample& sample : set->samples)
      folders.insert((set->root / sample.file).parent_path());
  }
  for (const std::filesystem::path& folder : folders) refuse_output_in(folder, config.output);
}

// Of a shard.
void note_new_photos(const Datasets& sets, Observer& observer) {
  std::size_t all = 0;
  for (const Dataset* set : {&sets.train, &sets.validation})
    for (const Sample& sample : set->samples) all += sample.stamp ? 0 : 1;
  if (all == 0) return;
  observer.note(fmt::format(
      "{} changed less than two seconds ago or {} a time in the future by this "
      "machine's clock; the run that collects the rows reads {} again",
      counted(all, "photo", "photos"), all == 1 ? "has" : "have", all == 1 ? "it" : "them"));
}

}  // namespace

std::filesystem::path features_folder(const Config& config) {
  return config.output / "features";
}

Extraction::Extraction(const Config& config, const Shard* shard, bool verify, const JobHooks& hooks,
                       Observer& observer)
    : config_(config),
      shard_(shard),
      verify_(verify),
      hooks_(hooks),
      shards_(shard_folders(features_folder(config))) {
  for (ShardFolder& one : shards_) {
    // Of as many shards, another one has other photos.
    if (shard != nullptr) one.has_rows = one.shard.count != shard->count;
    if (shard != nullptr || !is_interrupted(one, set_names)) continue;
    locks_.emplace_back(one.path, [&](const std::string& sentence) { observer.warn(sentence); });
    recover_features(one.path, set_names);
  }
}

Reading Extraction::reading() {
  return [this](Observer& observer, std::stop_token stop) { read(observer, std::move(stop)); };
}

void Extraction::read(Observer& observer, std::stop_token stop) {
  if (hooks_.tracer != nullptr) hooks_.tracer->name_thread("reader");
  const TraceSpan span(hooks_.tracer, "read the folders");
  const std::size_t threads = config_.threads == 0 ? cpu::available_cores() : config_.threads;
  // As many processes may read on this machine.
  const std::size_t processes = shard_ == nullptr ? 1 : shard_->count;
  photos_.emplace(available_memory() / 4 / processes);
  KnownFiles known;
  if (shard_ == nullptr && !verify_)
    known = known_files(shards_, set_names, feature_settings(config_), observer);
  photos_->sets = read_datasets(config_.data, threads, observer, std::move(stop),
                                {&photos_->kept, known.empty() ? nullptr : &known, shard_});
  refuse_output_among(photos_->sets, config_);
  if (shard_ != nullptr) note_new_photos(photos_->sets, observer);
}

void Extraction::write(Session& session) {
  const RunContext& context = session.context();
  const TraceSpan span(context.tracer, "extract");
  const std::filesystem::path features = features_folder(config_);
  ExtractionRequest request{shard_ == nullptr ? features : shard_folder(features, *shard_),
                            {},
                            session.pipeline_options(),
                            session.weights().digest,
                            session.numerics(),
                            feature_settings(config_),
                            &photos_->kept,
                            shards_,
                            shard_ != nullptr};
  for (const auto& [name, set] : {std::pair(set_names[0], &photos_->sets.train),
                                  std::pair(set_names[1], &photos_->sets.validation)})
    if (shard_ == nullptr || !set->samples.empty()) request.sets.push_back({name, set});
  const auto counts = extract_features(request, context, [&]() -> Backbone& {
    Backbone& backbone = session.backbone();
    if (hooks_.saves_work) hooks_.saves_work(true);
    return backbone;
  });
  if (hooks_.saves_work) hooks_.saves_work(false);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    context.observer.note(fmt::format("features/{}: {} computed, {} reused, {} resumed, {} skipped",
                                      request.sets[i].name, counts[i].computed, counts[i].reused,
                                      counts[i].resumed, counts[i].skipped));
  }
  photos_.reset();
}

}  // namespace graft
