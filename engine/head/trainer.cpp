// The training loop. The order of its writes makes a kill at any moment harmless. After each epoch,
// by a thread that saves it while the next one trains:
//   1. head_best.safetensors   when this epoch is the best so far
//   2. checkpoint.safetensors  from here on the epoch counts as done
//   3. history.csv, .json      copies of what the checkpoint knows
// After the last epoch: head.safetensors. The checkpoint stays. A finished run that is started again
// has nothing to train, and continues when there are more epochs. After a kill before step 2 the
// epoch is trained again and writes the same bytes; after a later one, step 3 is written again. The
// history comes from the checkpoint, so the best epoch is known and head_best never gets worse. The
// state of the next epoch is taken from the head when the one before is saved: there is one at most.
// Before the first file of another run is saved, the folder is emptied: a checkpoint is always next
// to its own head_best.

#include "engine/head/trainer.h"

#include <fmt/format.h>

#include <atomic>
#include <cmath>
#include <future>
#include <numeric>
#include <optional>
#include <utility>

#include "engine/base/background.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/json.h"
#include "engine/base/result_folder.h"
#include "engine/base/text.h"
#include "engine/head/checkpoint.h"
#include "engine/head/set_checks.h"
#include "engine/head/training.h"

namespace graft {
namespace {

// How much worse than the best epoch the last one is; .01, which is rounded, is not enough.
constexpr double worth_a_note = 0.010001;

RunKey run_key(const LabelledFeatures& train, const LabelledFeatures& validation,
               const HeadOptions& head, const Config& config) {
  const OptimizerConfig& optimizer = head.optimizer;
  RunKey key = {
      {"training features", train.fingerprint.hex()},
      {"validation features", validation.fingerprint.hex()},
      {"classes", json_text(std::vector(train.classes.begin(), train.classes.end()))},
      {"seed", fmt::format("{}", head.seed)},
      {"head.hidden", json_text(head.hidden)},
      {"head.dropout", fmt::format("{}", head.dropout)},
      {"features.normalize", std::string(name_of(config.features.normalize))},
      {"train.batch_size", fmt::format("{}", head.batch_size)},
      {"train.class_weights", head.class_weights.empty() ? "none" : json_text(head.class_weights)},
      {"train.optimizer.type", optimizer.type},
      {"train.optimizer.learning_rate", fmt::format("{}", optimizer.learning_rate)},
      {"train.optimizer.schedule", std::string(name_of(optimizer.schedule))},
      {"train.optimizer.rho", fmt::format("{}", optimizer.rho)},
      {"train.optimizer.epsilon", fmt::format("{}", optimizer.epsilon)},
      {"train.optimizer.epsilon_inside_sqrt", fmt::format("{}", optimizer.epsilon_inside_sqrt)}};
  if (head.steps > 0) key.emplace_back("train.epochs", fmt::format("{}", config.train.epochs));
  return key;
}

std::vector<std::uint32_t> all_photos(const LabelledFeatures& set) {
  std::vector<std::uint32_t> photos(set.labels.size());
  std::iota(photos.begin(), photos.end(), 0U);
  return photos;
}

class TrainingRun {
 public:
  TrainingRun(const RunContext& context, const LabelledFeatures& train,
              const LabelledFeatures& validation, const Config& config,
              const TrainingFolders& folders)
      : context_(context),
        train_(train),
        validation_(validation),
        config_(config),
        folders_(folders),
        training_(context, train, all_photos(train), validation, config),
        key_(run_key(train, validation, training_.options(), config)) {}

  History run() {
    if (continue_from(folders_.next)) {
      begin_files();
      write_histories();
    } else if (!continue_from(folders_.finished)) {
      for (const std::string& reason : reasons_) {
        context_.observer.note("Training starts anew; " + reason);
      }
      training_.begin();
    }
    if (epochs_done() == config_.train.epochs) {
      context_.observer.note(
          fmt::format("All {} epochs are trained; remove {} or change the seed to train anew.",
                      epochs_done(), shown(source_ / checkpoint_file)));
      if (would_replace_an_unfinished_run()) {
        context_.observer.note(
            fmt::format("Another run, which is not finished, stays in {}.", shown(folders_.next)));
        return history_;
      }
      if (continues_finished_set()) {
        begin_files();
        save_checkpoint(path_of(checkpoint_file), key_, training_.state(), history_);
        write_histories();
      }
      finish();
      return history_;
    }
    const Stage stage(context_.observer, "training", training_.batches(), "batches");
    context_.observer.row("epoch      loss  accuracy  val_loss  val_accuracy");
    while (epochs_done() < config_.train.epochs) {
      const TraceSpan span(context_.tracer, "epoch", epochs_done() + 1);
      history_.push_back(train_epoch());
      save_epoch();
    }
    wait_until_saved();
    finish();
    return history_;
  }

 private:
  std::size_t epochs_done() const { return history_.size(); }

  std::filesystem::path path_of(const char* name) const { return folders_.next / name; }

  // True when training goes on after the last epoch of an earlier run of the same key.
  bool continue_from(const std::filesystem::path& folder) {
    if (folder.empty()) return false;
    std::string reason;
    const std::filesystem::path path = folder / checkpoint_file;
    auto saved = load_checkpoint(path, key_, training_.options().layers(), reason);
    if (saved && (saved->history.empty() || saved->history.size() > config_.train.epochs)) {
      reason = fmt::format("it has {} epochs, train.epochs is {}", saved->history.size(),
                           config_.train.epochs);
    } else if (saved && has_best_head(*saved, folder / best_file, reason)) {
      if (saved->history.size() < config_.train.epochs) {
        context_.observer.note(fmt::format("Training goes on after epoch {} of {}, from {}.",
                                           saved->history.size(), config_.train.epochs,
                                           shown(path)));
      }
      training_.resume(std::move(saved->state));
      history_ = std::move(saved->history);
      source_ = folder;
      return true;
    }
    if (!reason.empty()) {
      reasons_.push_back(fmt::format("{} is not continued: {}.", shown(path), reason));
    }
    return false;
  }

  // head_best is of the best epoch that the checkpoint knows, or of the next one: a kill cut that one
  // off between its two files, and it is trained again.
  bool has_best_head(const Checkpoint& saved, const std::filesystem::path& path,
                     std::string& reason) {
    std::error_code unknown;
    if (!std::filesystem::exists(path, unknown) && !unknown) {
      reason = fmt::format("the best head so far, {}, is missing", shown(path));
      return false;
    }
    try {
      best_ = load_head(path);
      const std::size_t epoch = best_.epoch;
      const std::size_t done = saved.history.size();
      if (epoch == best_epoch(saved.history) + 1) return true;
      if (epoch == done + 1 && done < config_.train.epochs) return true;
      reason = fmt::format("{} is of another run", shown(path));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::io || error.kind() == ErrorKind::device) throw;
      reason = error.what();
    }
    return false;
  }

  bool continues_finished_set() const { return !source_.empty() && source_ != folders_.next; }

  bool would_replace_an_unfinished_run() const {
    std::error_code unknown;
    return continues_finished_set() && std::filesystem::exists(path_of(checkpoint_file), unknown) &&
           !std::filesystem::exists(path_of(page_file), unknown);
  }

  // From here on `next` holds files of this run alone.
  void begin_files() {
    if (std::exchange(has_begun_, true)) return;
    if (source_ == folders_.next) {
      remove_file(path_of(page_file));  // the set is not complete any more
    } else {
      remove_set(folders_.next);
    }
    make_folder(folders_.next);
    if (folders_.begin) folders_.begin();
    if (continues_finished_set()) save_head(path_of(best_file), std::exchange(best_, {}));
  }

  Epoch train_epoch() {
    const auto advance = [this](std::size_t batches) {
      context_.observer.advance(batches);
      show_if_saved();
    };
    const std::optional<Totals> training = training_.train_epoch(epochs_done(), advance);
    wait_until_saved();
    if (!training) stop_as_interrupted();
    if (!std::isfinite(training->loss())) stop_as_diverged();
    const TraceSpan span(context_.tracer, "validate", epochs_done() + 1);
    const Totals validation = training_.evaluate();
    if (!std::isfinite(validation.loss())) stop_as_diverged();
    return {training->loss(), training->accuracy(), validation.loss(), validation.accuracy()};
  }

  // Until wait_until_saved, nothing changes the history and the state that the saver reads.
  void save_epoch() {
    begin_files();
    saving_ = start_work([this] {
      if (context_.tracer != nullptr) context_.tracer->name_thread("saver");
      const TraceSpan span(context_.tracer, "save", epochs_done());
      if (best_epoch(history_) + 1 == epochs_done()) save_as(best_file);
      save_checkpoint(path_of(checkpoint_file), key_, training_.state(), history_);
      write_histories();
      has_saved_ = true;
    });
  }

  // Throws what kept the last epoch from being saved.
  void wait_until_saved() {
    const TraceSpan span(context_.tracer, "wait until saved", epochs_done());
    if (saving_.valid()) saving_.get();
    show_if_saved();
  }

  void show_if_saved() {
    if (!has_saved_.exchange(false)) return;
    const Epoch& epoch = history_.back();
    context_.observer.row(fmt::format("{:>5}  {:>8.4f}  {:>8.4f}  {:>8.4f}  {:>12.4f}",
                                      epochs_done(), epoch.loss, epoch.accuracy, epoch.val_loss,
                                      epoch.val_accuracy));
  }

  void write_histories() const {
    write_file_whole(path_of("history.csv"), history_csv(history_));
    write_file_whole(path_of("history.json"), history_json(history_));
  }

  void save_as(const char* name) const {
    save_head(path_of(name), {training_.parameters(),
                              {train_.classes.begin(), train_.classes.end()},
                              train_.shape,
                              epochs_done(),
                              train_.key});
  }

  void finish() {
    save_as(head_file);
    const std::size_t best = best_epoch(history_);
    const double highest = history_[best].val_accuracy, last = history_.back().val_accuracy;
    context_.observer.note(fmt::format("The best val_accuracy is {:.4f}, of epoch {}: {}.", highest,
                                       best + 1, best_file));
    if (highest - last < worth_a_note) return;
    context_.observer.note(fmt::format(
        "The last epoch has {:.4f}: to use the best one, add --best to `graft predict` and `graft "
        "evaluate`.",
        last));
  }

  std::string saved_epochs() const {
    if (epochs_done() == 0) return "no epoch is saved yet";
    return fmt::format("{} of its epochs {} saved in {}", epochs_done(),
                       epochs_done() == 1 ? "is" : "are",
                       shown((has_begun_ ? folders_.next : source_) / checkpoint_file));
  }

  [[noreturn]] void stop_as_diverged() const {
    check_finite(train_, "training");
    check_finite(validation_, "validation");
    throw Error(
        ErrorKind::usage,
        "Training diverged in epoch {}: the loss is no longer a finite number ({}). Try a "
        "train.optimizer.learning_rate below {}{}.",
        epochs_done() + 1, saved_epochs(), config_.train.optimizer.learning_rate,
        config_.features.normalize == Normalize::none ? ", or features.normalize \"rms\"" : "");
  }

  [[noreturn]] void stop_as_interrupted() const {
    throw Error(ErrorKind::interrupted,
                "Training was interrupted in epoch {} of {} ({}); started again, it goes on from "
                "the start of epoch {}.",
                epochs_done() + 1, config_.train.epochs, saved_epochs(), epochs_done() + 1);
  }

  const RunContext& context_;
  const LabelledFeatures& train_;
  const LabelledFeatures& validation_;
  const Config& config_;
  const TrainingFolders& folders_;
  Training training_;
  const RunKey key_;
  History history_;                      // of the epochs that are done
  std::filesystem::path source_;         // of the checkpoint that is continued; empty: none is
  TrainedHead best_;                     // next to that checkpoint
  std::vector<std::string> reasons_;     // why others are not continued
  bool has_begun_ = false;               // to write files
  std::atomic<bool> has_saved_ = false;  // the last epoch, which is not shown yet
  std::future<void> saving_;             // last: ends before what it reads is gone
};

void check_numbers(const TrainConfig& train) {
  if (train.epochs == 0 || train.batch_size == 0) {
    throw Error(ErrorKind::usage,
                "train.epochs is {} and train.batch_size is {}; both must be at least 1.",
                train.epochs, train.batch_size);
  }
}

}  // namespace

HeadOptions head_options(const Config& config, std::size_t inputs, std::size_t classes) {
  HeadOptions options = {inputs,
                         config.head.hidden,
                         classes,
                         config.head.dropout,
                         config.train.batch_size,
                         config.train.optimizer,
                         config.seed};
  options.views = config.data.views.size();
  return options;
}

LabelledFeatures labelled(const FeatureSet& set) {
  return {set.view(),        set.labels(), set.classes(),      set.files(),   set.shape(),
          set.fingerprint(), set.key(),    set.views().size(), set.contents()};
}

History train_head(const RunContext& context, const LabelledFeatures& train,
                   const LabelledFeatures& validation, const Config& config,
                   const TrainingFolders& folders) {
  check_numbers(config.train);
  check_sets(train, validation);
  warn_of_imbalance(train, "training", context.observer);
  warn_of_imbalance(validation, "validation", context.observer);
  return TrainingRun(context, train, validation, config, folders).run();
}

}  // namespace graft
