// The training loop. The order of its writes makes a kill at any moment harmless. After each epoch:
//   1. head_best.safetensors   when this epoch is the best so far
//   2. checkpoint.safetensors  from here on the epoch counts as done
//   3. history.csv, .json      copies of what the checkpoint knows
// After the last epoch: head.safetensors. The checkpoint stays. A finished run that is started again
// has nothing to train, and continues when there are more epochs. After a kill before step 2 the
// epoch is trained again and writes the same bytes; after a later one, step 3 is written again. The
// history comes from the checkpoint, so the best epoch is known and head_best never gets worse.
// Before the first epoch of a new run is saved, an older run's checkpoint and head are removed: a
// checkpoint is always next to its own head_best.

#include "engine/head/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/json.h"
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
              const std::filesystem::path& output)
      : context_(context),
        train_(train),
        validation_(validation),
        config_(config),
        checkpoint_path_(output / "checkpoint.safetensors"),
        head_path_(output / "head.safetensors"),
        best_path_(output / "head_best.safetensors"),
        output_(output),
        training_(context, train, all_photos(train), config),
        key_(run_key(train, validation, training_.options(), config)) {}

  History run() {
    make_folder(output_);
    if (continue_from_checkpoint()) {
      write_histories();
    } else {
      training_.begin();
    }
    if (epochs_done() == config_.train.epochs) {
      context_.observer.note(
          fmt::format("All {} epochs are trained; remove {} or change the seed to train anew.",
                      epochs_done(), shown(checkpoint_path_)));
      finish();
      return history_;
    }
    const Stage stage(context_.observer, "training", training_.batches(), "batches");
    context_.observer.row("epoch      loss  accuracy  val_loss  val_accuracy");
    while (epochs_done() < config_.train.epochs) {
      const TraceSpan span(context_.tracer, "epoch", epochs_done() + 1);
      history_.push_back(train_epoch());
      save_epoch();
      show(history_.back());
    }
    finish();
    return history_;
  }

 private:
  std::size_t epochs_done() const { return history_.size(); }

  // True when training goes on after the last epoch of an earlier run of the same key.
  bool continue_from_checkpoint() {
    std::string reason;
    auto saved = load_checkpoint(checkpoint_path_, key_, training_.options().layers(), reason);
    if (saved && (saved->history.empty() || saved->history.size() > config_.train.epochs)) {
      reason = fmt::format("it has {} epochs, train.epochs is {}", saved->history.size(),
                           config_.train.epochs);
    } else if (saved && has_best_head(*saved, reason)) {
      if (saved->history.size() < config_.train.epochs) {
        context_.observer.note(fmt::format("Training goes on after epoch {} of {}, from {}.",
                                           saved->history.size(), config_.train.epochs,
                                           shown(checkpoint_path_)));
      }
      training_.resume(std::move(saved->state));
      history_ = std::move(saved->history);
      return true;
    }
    if (!reason.empty()) {
      context_.observer.note(fmt::format("Training starts anew; {} is not continued: {}.",
                                         shown(checkpoint_path_), reason));
    }
    return false;
  }

  // head_best is of the best epoch that the checkpoint knows, or of the next one: a kill cut that one
  // off between its two files, and it is trained again.
  bool has_best_head(const Checkpoint& saved, std::string& reason) const {
    std::error_code unknown;
    if (!std::filesystem::exists(best_path_, unknown)) {
      reason = fmt::format("the best head so far, {}, is missing", shown(best_path_));
      return false;
    }
    try {
      const std::size_t epoch = load_head(best_path_).epoch;
      const std::size_t done = saved.history.size();
      if (epoch == best_epoch(saved.history) + 1) return true;
      if (epoch == done + 1 && done < config_.train.epochs) return true;
      reason = fmt::format("{} is of another run", shown(best_path_));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::io) throw;
      reason = error.what();
    }
    return false;
  }

  Epoch train_epoch() {
    const std::optional<Totals> training = training_.train_epoch(epochs_done());
    if (!training) stop_as_interrupted();
    if (!std::isfinite(training->loss())) stop_as_diverged();
    const TraceSpan span(context_.tracer, "validate", epochs_done() + 1);
    const Totals validation = training_.evaluate(validation_.features, validation_.labels);
    if (!std::isfinite(validation.loss())) stop_as_diverged();
    return {training->loss(), training->accuracy(), validation.loss(), validation.accuracy()};
  }

  void save_epoch() {
    const TraceSpan span(context_.tracer, "save", epochs_done());
    if (epochs_done() == 1) {
      remove_file(checkpoint_path_);
      remove_file(head_path_);
    }
    if (best_epoch(history_) + 1 == epochs_done()) save_as(best_path_);
    save_checkpoint(checkpoint_path_, key_, training_.state(), history_);
    write_histories();
  }

  void write_histories() const {
    write_file_whole(output_ / "history.csv", history_csv(history_));
    write_file_whole(output_ / "history.json", history_json(history_));
  }

  void save_as(const std::filesystem::path& path) const {
    save_head(path, {training_.parameters(),
                     {train_.classes.begin(), train_.classes.end()},
                     train_.shape,
                     epochs_done(),
                     train_.key});
  }

  void show(const Epoch& epoch) const {
    context_.observer.row(fmt::format("{:>5}  {:>8.4f}  {:>8.4f}  {:>8.4f}  {:>12.4f}",
                                      epochs_done(), epoch.loss, epoch.accuracy, epoch.val_loss,
                                      epoch.val_accuracy));
  }

  void finish() {
    save_as(head_path_);
    const std::size_t best = best_epoch(history_);
    const double highest = history_[best].val_accuracy, last = history_.back().val_accuracy;
    context_.observer.note(fmt::format("The best val_accuracy is {:.4f}, of epoch {}: {}.", highest,
                                       best + 1, shown(best_path_)));
    if (highest - last < worth_a_note) return;
    context_.observer.note(fmt::format(
        "The last epoch has {:.4f}: to use the best one, add --best to `graft predict` and `graft "
        "evaluate`.",
        last));
  }

  std::string saved_epochs() const {
    if (epochs_done() == 0) return "no epoch is saved yet";
    return fmt::format("{} of its epochs {} saved in {}", epochs_done(),
                       epochs_done() == 1 ? "is" : "are", shown(checkpoint_path_));
  }

  [[noreturn]] void stop_as_diverged() const {
    check_finite(train_, "training");
    check_finite(validation_, "validation");
    throw Error(
        ErrorKind::usage,
        fmt::format(
            "Training diverged in epoch {}: the loss is no longer a finite number ({}). Try "
            "a train.optimizer.learning_rate below {}{}.",
            epochs_done() + 1, saved_epochs(), config_.train.optimizer.learning_rate,
            config_.features.normalize == Normalize::none ? ", or features.normalize \"rms\""
                                                          : ""));
  }

  [[noreturn]] void stop_as_interrupted() const {
    throw Error(
        ErrorKind::interrupted,
        fmt::format("Training was interrupted in epoch {} of {} ({}); started again, it goes on "
                    "from the start of epoch {}.",
                    epochs_done() + 1, config_.train.epochs, saved_epochs(), epochs_done() + 1));
  }

  const RunContext& context_;
  const LabelledFeatures& train_;
  const LabelledFeatures& validation_;
  const Config& config_;
  const std::filesystem::path checkpoint_path_;
  const std::filesystem::path head_path_;
  const std::filesystem::path best_path_;
  const std::filesystem::path output_;
  Training training_;
  const RunKey key_;
  History history_;  // of the epochs that are done
};

void check_numbers(const TrainConfig& train) {
  if (train.epochs == 0 || train.batch_size == 0) {
    throw Error(
        ErrorKind::usage,
        fmt::format("train.epochs is {} and train.batch_size is {}; both must be at least 1.",
                    train.epochs, train.batch_size));
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
                   const std::filesystem::path& output) {
  check_numbers(config.train);
  check_sets(train, validation);
  warn_of_imbalance(train, "training", context.observer);
  warn_of_imbalance(validation, "validation", context.observer);
  return TrainingRun(context, train, validation, config, output).run();
}

}  // namespace graft
