#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "engine/features/features.h"
#include "engine/features/row_store.h"
#include "engine/features/set_files.h"
#include "engine/features/shard_folders.h"

namespace graft {
namespace {

// Known rows are copied this many at a time; a stop ends it in between.
constexpr std::size_t rows_a_copy = 1024;

// A row that a set shall have: a view of a photo.
struct WantedRow {
  const Sample* photo;
  View view;
  Digest digest;  // row_digest
};

// The views of each photo follow each other. Borrows the samples.
std::vector<WantedRow> wanted_rows(const Dataset& dataset, const std::vector<View>& views) {
  std::vector<WantedRow> rows;
  rows.reserve(dataset.samples.size() * views.size());
  for (const Sample& photo : dataset.samples)
    for (const View view : views) rows.push_back({&photo, view, row_digest(photo.content, view)});
  return rows;
}

// How a wanted row is made.
struct RowAction {
  enum class Kind { compute, copy, skip } kind = Kind::compute;
  RowStore::Row row;   // copy
  std::string reason;  // skip
};

void list_row(FileList& list, const WantedRow& row, const Digest& check) {
  list.rows.push_back(
      {row.photo->file, row.photo->label, row.photo->content, check, row.photo->stamp});
}

// Once for all views.
void list_bad(FileList& list, const WantedRow& row, const std::string& reason) {
  if (row.view != list.views.front()) return;
  list.skipped.push_back({row.photo->file, reason, row.photo->content});
}

// One set: open_sources(), decide(), write(), then commit(). All is borrowed.
class SetExtraction {
 public:
  SetExtraction(const ExtractionRequest& request, const NamedDataset& set,
                const RunContext& context)
      : request_(request),
        dataset_(*set.dataset),
        wanted_(wanted_rows(dataset_, request.pipeline.data.views)),
        on_bad_image_(request.pipeline.data.on_bad_image),
        context_(context),
        stage_("features/" + set.name),
        paths_(request.folder, set.name) {
    list_.shape = request.pipeline.shape();
    list_.key = feature_key(request.pipeline.data, request.weights, request.numerics, list_.shape,
                            request.pipeline.source);
    list_.views = request.pipeline.data.views;
    list_.settings = request.settings;
    list_.classes = dataset_.classes;
    for (const BadFile& bad : dataset_.skipped) list_.skipped.push_back({bad.file, bad.reason, {}});
    layout_ = {header_for(wanted_.size()).size(), list_.shape.count() * sizeof(float)};
  }

  // Adds to the store what is on disk of this set with the present key.
  void open_sources(RowStore& store) {
    finish_interrupted_commit(paths_);
    stored_ = open_usable_set();
    if (stored_) store.add(MappedFile(paths_.npy), stored_->layout(), stored_->entries());
    open_interrupted();
    for (const Interrupted& one : interrupted_) {
      std::span<const RowEntry> entries = one.journal.entries;
      // What follows the continued rows will be written over.
      if (&one == continued_) entries = entries.first(continued_entries_);
      store.add(MappedFile(one.paths.rows), one.layout, entries);
    }
  }

  const FeatureKey& key() const { return list_.key; }
  std::size_t row_bytes() const { return layout_.row_bytes; }

  // Chooses how each row is made. Adds to `needed` the photos that will be decoded. Known bad images
  // are skipped only where data.on_bad_image says so: else they are decoded again, and end the run.
  void decide(const RowStore& store, std::vector<const Sample*>& needed) {
    if (stored_ && has_wanted_rows(*stored_)) return;
    actions_.resize(wanted_.size());
    for (std::size_t i = continued_entries_; i < actions_.size(); ++i) {
      const Sample* const photo = wanted_[i].photo;
      const std::string* const reason = store.bad_reason(photo->content);
      if (const auto row = store.find(wanted_[i].digest)) {
        actions_[i] = {RowAction::Kind::copy, *row, {}};
        ++counts_.reused;
      } else if (reason != nullptr && on_bad_image_ == OnBadImage::skip) {
        actions_[i] = {RowAction::Kind::skip, {}, *reason};
      } else {
        to_compute_.push_back(i);
        needed.push_back(photo);
      }
    }
  }

  // Leaves the set complete on disk, next to the earlier one.
  void write(const std::function<Backbone&()>& backbone) {
    if (actions_.empty()) {
      keep_rows();
    } else {
      write_rows(backbone);
    }
    if (!request_.is_shard) check_classes_have_rows();
  }

  ExtractionCounts commit() {
    if (log_) {
      log_->finish(header_for(log_->rows()));
      stage_companions(paths_, list_);
      log_->commit();
      publish(paths_, log_paths_);
    } else if (list_ == stored_->list) {
      remove_work_files(paths_);
    } else {
      commit_companions(paths_, list_);
    }
    return counts_;
  }

 private:
  // An extraction with the present key that did not reach its end.
  struct Interrupted {
    LogPaths paths;
    RowLayout layout;
    Journal journal;
  };

  void note(const std::string& sentence) { context_.observer.note(stage_ + ": " + sentence); }

  std::string header_for(std::size_t rows) const {
    return npy_header("<f4", npy_shape(rows, list_.shape));
  }

  // The finished set, when its rows were computed as they would be now. Else a note says why not.
  std::optional<StoredSet> open_usable_set() {
    if (!stored_set_exists(paths_)) return std::nullopt;
    try {
      StoredSet stored = open_stored_set(paths_);
      if (stored.list.key == list_.key) return stored;
      note(describe_change(stored.list.key, list_.key) + ": all rows are computed again");
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::device) throw;
      note(fmt::format("{}: all rows are computed again", error.what()));
    }
    return std::nullopt;
  }

  // Finds the interrupted extractions, and the one of them that is continued in place: the one
  // that has done most of what is to be done now, from the first row on.
  void open_interrupted() {
    for (const LogPaths& paths : paths_.logs()) {
      std::optional<Journal> journal = read_journal(paths.journal);
      const std::uint64_t data_offset = find_data_offset(paths.rows);
      if (journal && journal->key != list_.key) {
        note("an interrupted extraction is not continued: " +
             describe_change(journal->key, list_.key));
      } else if (journal && data_offset > 0) {
        interrupted_.push_back({paths, {data_offset, layout_.row_bytes}, *std::move(journal)});
        continue;
      }
      unusable_.push_back(paths);
    }
    for (const Interrupted& one : interrupted_) {
      if (!is_prefix(one)) continue;
      const std::size_t entries = usable_entries(one.paths.rows, one.layout, one.journal);
      if (continued_ == nullptr || entries > continued_entries_) {
        continued_ = &one;
        continued_entries_ = entries;
      }
    }
  }

  // Whether what was done there is what is to be done first now.
  bool is_prefix(const Interrupted& one) const {
    const std::vector<RowEntry>& entries = one.journal.entries;
    if (one.layout.data_offset != layout_.data_offset) return false;
    if (entries.size() > wanted_.size()) return false;
    return std::equal(entries.begin(), entries.end(), wanted_.begin(),
                      [&](const RowEntry& entry, const WantedRow& row) {
                        if (!entry.bad_reason) return entry.digest == row.digest;
                        return entry.digest == row.photo->content &&
                               on_bad_image_ == OnBadImage::skip;
                      });
  }

  // Whether the stored rows are those of the data set, in its order. Fills list_ when they are.
  bool has_wanted_rows(const StoredSet& stored) {
    FileList list = list_;
    std::unordered_map<Digest, const std::string*, DigestHash> bad_reasons;
    if (on_bad_image_ == OnBadImage::skip) {
      for (const SkippedFile& bad : stored.list.skipped) {
        if (bad.content) bad_reasons.try_emplace(*bad.content, &bad.reason);
      }
    }
    std::size_t row = 0;
    for (const WantedRow& wanted : wanted_) {
      if (row < stored.list.rows.size() && stored.list.digest_of_row(row) == wanted.digest) {
        list_row(list, wanted, stored.list.rows[row++].check);
        continue;
      }
      const auto bad = bad_reasons.find(wanted.photo->content);
      if (bad == bad_reasons.end()) return false;
      list_bad(list, wanted, *bad->second);
    }
    if (row != stored.list.rows.size()) return false;
    list_ = std::move(list);
    return true;
  }

  void keep_rows() {
    warn_of_bad_images();
    const std::string rows = counted(list_.rows.size(), "row", "rows");
    note(list_ == stored_->list
             ? fmt::format("all {} are up to date", rows)
             : fmt::format("names, labels, settings or the skipped files changed; all {} reused",
                           rows));
    counts_ = {0, list_.rows.size(), 0, list_.skipped.size()};
  }

  void write_rows(const std::function<Backbone&()>& backbone) {
    // What may refuse the run for lack of memory comes before the disk space is taken.
    const PipelineRequest pipeline = pipeline_request();
    if (!to_compute_.empty()) check_pipeline_memory(pipeline, context_.backend);
    Backbone* network = to_compute_.empty() ? nullptr : &backbone();
    open_log();
    counts_.resumed = log_->rows();
    note_decision();
    {
      const Stage stage(context_.observer, stage_, wanted_.size(),
                        list_.views.size() == 1 ? "images" : "views");
      context_.observer.advance(next_);
      try {
        if (network != nullptr) run_pipeline(pipeline, context_, *network);
        copy_the_rest();
      } catch (...) {
        try {
          log_->flush();
        } catch (...) {  // the first failure is the cause
        }
        throw;
      }
      log_->flush();
    }
    warn_of_bad_images();
    counts_.computed = list_.rows.size() - counts_.reused - counts_.resumed;
    counts_.skipped = list_.skipped.size();
  }

  PipelineRequest pipeline_request() {
    PipelineRequest pipeline;
    pipeline.options = request_.pipeline;
    pipeline.images = to_compute_.size();
    pipeline.path = [this](std::size_t i) {
      return dataset_.root / wanted_[to_compute_[i]].photo->file;
    };
    if (list_.views.size() > 1 || list_.views.front() != View::original)
      pipeline.view = [this](std::size_t i) { return wanted_[to_compute_[i]].view; };
    pipeline.content = [this](std::size_t i) { return wanted_[to_compute_[i]].photo->content; };
    pipeline.kept = request_.kept;
    pipeline.stop_at_bad_image = on_bad_image_ == OnBadImage::stop;
    pipeline.sink = [this](const FeatureBatch& batch) { add(batch); };
    pipeline.sink_thread = SinkThread::own;
    pipeline.progress = [this](std::size_t images) {
      if (images > 0) context_.observer.advance(to_compute_[images - 1] + 1);
    };
    return pipeline;
  }

  // Continues the log of an interrupted extraction, or begins one. The others keep their rows, and
  // no more disk space than these take, until the commit.
  void open_log() {
    for (const LogPaths& paths : unusable_) remove_log(paths);
    const std::size_t rows = wanted_.size();
    for (const Interrupted& one : interrupted_) {
      if (&one == continued_) continue;
      File file(one.paths.rows, File::Mode::read_write);
      file.truncate(std::min(file.size(), one.layout.end_of(one.journal.entries.size())));
      note("the images changed since an interrupted extraction; its rows are looked up by content");
    }
    if (continued_ == nullptr) {
      log_paths_ = paths_.unused_log();
      log_ = RowLog::create(log_paths_, header_for(rows), layout_.row_bytes, rows, list_.key);
      return;
    }
    log_paths_ = continued_->paths;
    log_ = RowLog::resume(log_paths_, layout_, rows, continued_->journal, continued_entries_);
    for (; next_ < continued_entries_; ++next_) {
      const RowEntry& entry = continued_->journal.entries[next_];
      if (entry.bad_reason) {
        list_bad(list_, wanted_[next_], *entry.bad_reason);
      } else {
        list_row(list_, wanted_[next_], entry.check);
      }
    }
  }

  void note_decision() {
    const std::string all = list_.views.size() == 1 ? counted(wanted_.size(), "image", "images")
                                                    : counted(wanted_.size(), "view", "views");
    const std::string reused = counted(counts_.reused, "row", "rows");
    if (counts_.resumed > 0) {
      note(fmt::format("continues an interrupted extraction at row {} of {}",
                       grouped(counts_.resumed), grouped(wanted_.size())));
    }
    if (counts_.reused > 0 && !to_compute_.empty()) {
      note(fmt::format("{} of {} are new or changed; {} reused", grouped(to_compute_.size()), all,
                       reused));
    } else if (counts_.reused > 0) {
      note(fmt::format("images were moved or removed; {} reused", reused));
    } else if (counts_.resumed == 0) {
      note(fmt::format("{} to compute", all));
    }
  }

  // Writes the results of a batch and the known rows before and between them.
  void add(const FeatureBatch& batch) {
    std::size_t row = 0;
    for (std::size_t i = 0; i < batch.bad_reasons.size(); ++i) {
      copy_known(to_compute_[batch.first + i] - next_);
      if (next_ != to_compute_[batch.first + i])
        throw Error(ErrorKind::usage, "rows of features came out of order");
      if (batch.bad_reasons[i].empty()) {
        const std::span values(batch.features.row(row++), batch.features.columns);
        add_row(std::as_bytes(values), digest_of(std::as_bytes(values)));
      } else {
        add_bad(batch.bad_reasons[i]);
      }
    }
    log_->flush_after(request_.sync_interval);
  }

  // Copies the known rows that come next, at most `limit` of them; false when there are none.
  bool copy_known(std::size_t limit) {
    const std::size_t begin = next_;
    while (next_ < actions_.size() && next_ - begin < limit) {
      const RowAction& action = actions_[next_];
      if (action.kind == RowAction::Kind::compute) break;
      if (action.kind == RowAction::Kind::copy) {
        add_row(action.row.bytes, action.row.check);
      } else {
        add_bad(action.reason);
      }
      log_->flush_after(request_.sync_interval);
    }
    return next_ > begin;
  }

  void copy_the_rest() {
    while (copy_known(rows_a_copy)) {
      context_.observer.advance(next_);
      if (context_.stop.stop_requested())
        throw Error(ErrorKind::interrupted, "interrupted; the rows that were written are kept");
    }
  }

  void add_row(std::span<const std::byte> row, const Digest& check) {
    const WantedRow& wanted = wanted_[next_++];
    log_->add_row(wanted.digest, row, check);
    list_row(list_, wanted, check);
  }

  void add_bad(const std::string& reason) {
    const WantedRow& wanted = wanted_[next_++];
    log_->add_bad(wanted.photo->content, reason);
    list_bad(list_, wanted, reason);
  }

  // Names those that failed at decoding; the others were named when the folder was read.
  void warn_of_bad_images() {
    std::vector<std::string> lines;
    for (const SkippedFile& file : list_.skipped)
      if (file.content)
        lines.push_back(fmt::format("{}: {}", shown(dataset_.root / file.file), file.reason));
    if (lines.empty()) return;
    context_.observer.warn(fmt::format("{}: {} could not be decoded and {} skipped:{}", stage_,
                                       counted(lines.size(), "image", "images"),
                                       lines.size() == 1 ? "is" : "are",
                                       listed_lines(lines, lines.size())));
  }

  void check_classes_have_rows() const {
    std::vector<std::size_t> rows(list_.classes.size());
    for (const FileRow& row : list_.rows) ++rows[row.label];
    for (const Sample& sample : dataset_.samples) {
      if (rows[sample.label] > 0) continue;
      const auto skipped = std::ranges::find(list_.skipped, sample.file, &SkippedFile::file);
      throw Error(ErrorKind::data,
                  "no image of the class '{}' in {} could be decoded (the first one: {}, {})",
                  printable(list_.classes[sample.label]), shown(dataset_.root), shown(sample.file),
                  skipped == list_.skipped.end() ? "no reason" : skipped->reason);
    }
  }

  const ExtractionRequest& request_;
  const Dataset& dataset_;
  const std::vector<WantedRow> wanted_;
  const OnBadImage on_bad_image_;
  const RunContext& context_;
  const std::string stage_;
  const SetPaths paths_;
  RowLayout layout_;
  FileList list_;  // what NAME.files.json will hold
  // What is on disk.
  std::optional<StoredSet> stored_;
  std::vector<Interrupted> interrupted_;
  std::vector<LogPaths> unusable_;
  const Interrupted* continued_ = nullptr;
  std::size_t continued_entries_ = 0;
  std::vector<RowAction> actions_;       // of the wanted rows; empty where all are stored
  std::vector<std::size_t> to_compute_;  // the wanted row of each image of the pipeline
  // What is being written.
  LogPaths log_paths_;
  std::optional<RowLog> log_;
  std::size_t next_ = 0;  // the first wanted row that is not done
  ExtractionCounts counts_;
};

}  // namespace

std::vector<ExtractionCounts> extract_features(const ExtractionRequest& request,
                                               const RunContext& context,
                                               const std::function<Backbone&()>& backbone) {
  std::deque<SetExtraction> sets;  // they do not move
  for (const NamedDataset& set : request.sets) {
    if (set.dataset == nullptr || set.dataset->samples.empty())
      throw Error(ErrorKind::usage, "the set {} has no images to extract features of", set.name);
    sets.emplace_back(request, set, context);
  }
  make_folder(request.folder);
  RowStore store;
  add_shards(request, sets.front().key(), sets.front().row_bytes(), store, context.observer);
  for (SetExtraction& set : sets) set.open_sources(store);
  std::vector<const Sample*> needed;
  for (SetExtraction& set : sets) set.decide(store, needed);
  std::unordered_set<Digest, DigestHash> contents;
  for (const Sample* photo : needed) contents.insert(photo->content);
  if (request.kept != nullptr) request.kept->keep_only(contents);
  if (!request.is_shard) note_computed(request, needed, context.observer);
  for (SetExtraction& set : sets) set.write(backbone);
  // Only now is every row in its new file: a commit removes the earlier ones.
  std::vector<ExtractionCounts> counts;
  for (SetExtraction& set : sets) counts.push_back(set.commit());
  return counts;
}

}  // namespace graft
