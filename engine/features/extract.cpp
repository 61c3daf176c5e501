#include <fmt/format.h>

#include <unordered_map>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "engine/features/commit.h"
#include "engine/features/features.h"
#include "engine/features/key.h"
#include "engine/features/pipeline.h"
#include "engine/features/plan.h"
#include "engine/features/set_writer.h"
#include "engine/features/stored_set.h"

namespace graft {
namespace {

class Extraction {
 public:
  Extraction(const ExtractionRequest& request, Backend& backend, Observer& observer,
             std::stop_token stop)
      : request_(request),
        dataset_(*request.dataset),
        backend_(backend),
        observer_(observer),
        stop_(std::move(stop)),
        stage_("features/" + request.name),
        paths_(request.folder, request.name) {
    list_.shape = vgg16_feature_shape(request.data.image_size);
    list_.key = feature_key(request.data, request.weights, request.numerics, list_.shape);
    list_.classes = dataset_.classes;
    for (const BadFile& bad : dataset_.skipped) list_.skipped.push_back({bad.file, bad.reason, {}});
    layout_ = {header_for(dataset_.samples.size()).size(), list_.shape.count() * sizeof(float)};
  }

  ExtractionCounts run(const std::function<Backbone&()>& backbone) {
    make_folder(request_.folder);
    finish_interrupted_commit(paths_);
    std::optional<StoredSet> stored = open_usable_set();
    if (stored && rows_stand_as_wanted(*stored)) return keep_rows(*stored);
    const RowsDone resumed = find_interrupted();
    KnownRows known = gather_known_rows(std::move(stored));
    const auto plan = plan_samples(dataset_, resumed.entries, known, request_.data.on_bad_image);
    return write_set(plan, resumed, backbone);
  }

 private:
  // What an interrupted extraction with the same plan has done.
  struct RowsDone {
    std::optional<JournalContents> journal;
    std::size_t entries = 0;
  };

  void note(const std::string& sentence) { observer_.note(stage_ + ": " + sentence); }

  std::string header_for(std::size_t rows) const {
    const std::size_t shape[] = {rows, list_.shape.height, list_.shape.width, list_.shape.channels};
    return npy_header("<f4", shape);
  }

  // The finished set, when its rows were computed as they would be now. Else a note says why not.
  std::optional<StoredSet> open_usable_set() {
    if (!stored_set_exists(paths_)) return std::nullopt;
    try {
      StoredSet stored = open_stored_set(paths_);
      if (stored.list.key == list_.key) return stored;
      note(describe_change(stored.list.key, list_.key) + ": all rows are computed again");
    } catch (const Error& error) {
      note(fmt::format("{}: all rows are computed again", error.what()));
    }
    return std::nullopt;
  }

  // Whether the stored rows are those of the data set, in its order. Fills list_ when they are.
  bool rows_stand_as_wanted(const StoredSet& stored) {
    FileList list = list_;
    std::unordered_map<Digest, const std::string*, DigestHash> bad_reasons;
    if (request_.data.on_bad_image == OnBadImage::skip) {
      for (const SkippedFile& bad : stored.list.skipped) {
        if (bad.content) bad_reasons.try_emplace(*bad.content, &bad.reason);
      }
    }
    std::size_t row = 0;
    for (const Sample& sample : dataset_.samples) {
      if (row < stored.list.rows.size() && stored.list.rows[row].content == sample.content) {
        list_row(list, sample, stored.list.rows[row++].check);
        continue;
      }
      const auto bad = bad_reasons.find(sample.content);
      if (bad == bad_reasons.end()) return false;
      list_bad(list, sample, *bad->second);
    }
    if (row != stored.list.rows.size()) return false;
    list_ = std::move(list);
    return true;
  }

  ExtractionCounts keep_rows(const StoredSet& stored) {
    warn_of_bad_images();
    if (list_ == stored.list) {
      remove_work_files(paths_);
      note(fmt::format("all {} are up to date", counted(list_.rows.size(), "row", "rows")));
    } else {
      check_classes_have_rows();
      note(fmt::format("names, labels or the files left out changed; all {} reused",
                       counted(list_.rows.size(), "row", "rows")));
      commit_companions(paths_, list_);
    }
    return {0, list_.rows.size(), 0, list_.skipped.size()};
  }

  // An interrupted extraction with this plan is gone on with; from one with another plan the rows
  // that are still wanted are put aside.
  RowsDone find_interrupted() {
    RowsDone done;
    done.journal = read_journal(paths_.journal);
    if (!done.journal) return done;
    if (!(done.journal->key == list_.key)) {
      note("an interrupted extraction is not continued: " +
           describe_change(done.journal->key, list_.key));
    } else if (done.journal->plan != plan()) {
      const RowLayout theirs{find_data_offset(), layout_.row_bytes};
      if (theirs.data_offset > 0) salvage_rows(paths_, theirs, *done.journal, dataset_);
      note("the images changed since an interrupted extraction; its rows are looked up by content");
    } else {
      done.entries = usable_entries(paths_.partial, layout_, *done.journal);
    }
    return done;
  }

  // Where the rows of the interrupted extraction begin; 0 when its file is not whole.
  std::uint64_t find_data_offset() const {
    try {
      const MappedFile file(paths_.partial);
      return parse_npy_header(file.bytes()).data_offset;
    } catch (const Error&) {
      return 0;
    }
  }

  KnownRows gather_known_rows(std::optional<StoredSet> stored) {
    KnownRows known;
    if (stored) known.add(std::move(*stored));
    const auto salvaged = read_journal(paths_.salvage_journal);
    if (salvaged && salvaged->key == list_.key && std::filesystem::exists(paths_.salvage)) {
      known.add(MappedFile(paths_.salvage), {0, layout_.row_bytes}, *salvaged);
    }
    return known;
  }

  Digest plan() const { return plan_fingerprint(dataset_, list_.key, request_.data.on_bad_image); }

  RowLog open_log(const RowsDone& resumed) {
    if (resumed.entries == 0) {
      const std::size_t rows = dataset_.samples.size();
      return RowLog::create(paths_.partial, paths_.journal, layout_, header_for(rows), rows, plan(),
                            list_.key);
    }
    for (std::size_t i = 0; i < resumed.entries; ++i) {
      const JournalEntry& entry = resumed.journal->entries[i];
      if (entry.bad_reason) {
        list_bad(list_, dataset_.samples[i], *entry.bad_reason);
      } else {
        list_row(list_, dataset_.samples[i], entry.check);
      }
    }
    return RowLog::resume(paths_.partial, paths_.journal, layout_, *resumed.journal,
                          resumed.entries);
  }

  ExtractionCounts write_set(const std::vector<PlannedSample>& plan, const RowsDone& resumed,
                             const std::function<Backbone&()>& backbone) {
    std::vector<std::size_t> to_compute;
    ExtractionCounts counts;
    for (std::size_t i = resumed.entries; i < plan.size(); ++i) {
      if (plan[i].action == PlannedSample::Action::compute) to_compute.push_back(i);
      if (plan[i].action == PlannedSample::Action::copy) ++counts.reused;
    }
    // What may refuse the run for want of memory comes before the disk space is taken.
    const PipelineRequest pipeline = pipeline_request(to_compute);
    if (!to_compute.empty()) check_pipeline_memory(pipeline, backend_);
    Backbone* network = to_compute.empty() ? nullptr : &backbone();
    SetWriter writer(dataset_, plan, resumed.entries, open_log(resumed), list_);
    counts.resumed = writer.log().rows();
    note_decision(counts, to_compute.size());
    {
      const Stage stage(observer_, stage_, dataset_.samples.size(), "images");
      if (network != nullptr) compute(pipeline, to_compute, *network, writer);
      copy_the_rest(writer);
    }
    warn_of_bad_images();
    commit(writer.log());
    counts.computed = list_.rows.size() - counts.reused - counts.resumed;
    counts.skipped = list_.skipped.size();
    return counts;
  }

  void note_decision(const ExtractionCounts& counts, std::size_t to_compute) {
    const std::string all = counted(dataset_.samples.size(), "image", "images");
    if (counts.resumed > 0) {
      note(fmt::format("continues an interrupted extraction at row {} of {}",
                       grouped(counts.resumed), grouped(dataset_.samples.size())));
    }
    if (counts.reused > 0 && to_compute > 0) {
      note(fmt::format("{} of {} are new or changed; {} reused", grouped(to_compute), all,
                       counted(counts.reused, "row", "rows")));
    } else if (counts.reused > 0) {
      note(fmt::format("images were removed or stand in another order; {} reused",
                       counted(counts.reused, "row", "rows")));
    } else if (counts.resumed == 0) {
      note(fmt::format("{} to compute", all));
    }
  }

  PipelineRequest pipeline_request(const std::vector<std::size_t>& samples) const {
    PipelineRequest pipeline;
    pipeline.images = samples.size();
    pipeline.path = [this, &samples](std::size_t i) {
      return dataset_.root / dataset_.samples[samples[i]].file;
    };
    pipeline.content = [this, &samples](std::size_t i) {
      return dataset_.samples[samples[i]].content;
    };
    pipeline.data = request_.data;
    pipeline.shape = list_.shape;
    pipeline.batch_size = request_.batch_size;
    pipeline.decode_threads = request_.decode_threads;
    pipeline.depth = request_.pipeline_depth;
    pipeline.stop_at_bad_image = request_.data.on_bad_image == OnBadImage::stop;
    pipeline.tracer = request_.tracer;
    return pipeline;
  }

  void compute(const PipelineRequest& pipeline, const std::vector<std::size_t>& samples,
               Backbone& backbone, SetWriter& writer) {
    observer_.advance(writer.next());
    run_pipeline(
        pipeline, backend_, backbone,
        [&](const FeatureBatch& batch) { writer.add(batch, samples); }, SinkThread::own,
        [&](std::size_t images) {
          if (images > 0) observer_.advance(samples[images - 1] + 1);
        },
        stop_);
  }

  void copy_the_rest(SetWriter& writer) {
    constexpr std::size_t rows_at_a_time = 1024;
    while (writer.copy_known(rows_at_a_time)) {
      observer_.advance(writer.next());
      if (stop_.stop_requested()) {
        throw Error(ErrorKind::interrupted, "interrupted; the rows that were written are kept");
      }
    }
  }

  // Those that failed while they were decoded; the others were listed when the folder was read.
  void warn_of_bad_images() {
    constexpr std::size_t named_at_most = 20;
    std::size_t bad = 0;
    std::string lines;
    for (const SkippedFile& skipped : list_.skipped) {
      if (!skipped.content || bad++ >= named_at_most) continue;
      lines += fmt::format("\n  {}: {}", (dataset_.root / skipped.file).string(), skipped.reason);
    }
    if (bad == 0) return;
    if (bad > named_at_most) lines += fmt::format("\n  and {} more", grouped(bad - named_at_most));
    observer_.warn(fmt::format("{}: {} could not be decoded and {} left out:{}", stage_,
                               counted(bad, "image", "images"), bad == 1 ? "is" : "are", lines));
  }

  void check_classes_have_rows() const {
    std::vector<std::size_t> rows(list_.classes.size());
    for (const FileRow& row : list_.rows) ++rows[row.label];
    for (const Sample& sample : dataset_.samples) {
      if (rows[sample.label] > 0) continue;
      throw Error(
          ErrorKind::data,
          fmt::format("no image of the class '{}' in {} could be decoded (the first one: {})",
                      list_.classes[sample.label], dataset_.root.string(), reason_of(sample.file)));
    }
  }

  std::string reason_of(const std::string& file) const {
    for (const SkippedFile& skipped : list_.skipped) {
      if (skipped.file == file) return file + ", " + skipped.reason;
    }
    return file;
  }

  void commit(RowLog& log) {
    check_classes_have_rows();
    log.finish(header_for(log.rows()));
    stage_companions(paths_, list_);
    log.commit();
    publish(paths_);
  }

  const ExtractionRequest& request_;
  const Dataset& dataset_;
  Backend& backend_;
  Observer& observer_;
  const std::stop_token stop_;
  const std::string stage_;
  const SetPaths paths_;
  FileList list_;  // what NAME.files.json will hold
  RowLayout layout_;
};

}  // namespace

ExtractionCounts extract_features(const ExtractionRequest& request, Backend& backend,
                                  const std::function<Backbone&()>& backbone, Observer& observer,
                                  std::stop_token stop) {
  if (request.dataset == nullptr || request.dataset->samples.empty()) {
    throw Error(ErrorKind::usage,
                fmt::format("the set {} has no images to extract features of", request.name));
  }
  return Extraction(request, backend, observer, std::move(stop)).run(backbone);
}

}  // namespace graft
