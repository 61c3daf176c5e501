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
#include <memory>
#include <span>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/json.h"
#include "engine/head/checkpoint.h"
#include "engine/head/set_checks.h"

namespace graft {
namespace {

RunKey run_key(const LabelledFeatures& train, const LabelledFeatures& validation,
               const HeadOptions& head, std::size_t epochs) {
  const OptimizerConfig& optimizer = head.optimizer;
  RunKey key = {
      {"training features", train.fingerprint.hex()},
      {"validation features", validation.fingerprint.hex()},
      {"classes", json_text(std::vector(train.classes.begin(), train.classes.end()))},
      {"seed", fmt::format("{}", head.seed)},
      {"head.hidden", json_text(head.hidden)},
      {"head.dropout", fmt::format("{}", head.dropout)},
      {"train.batch_size", fmt::format("{}", head.batch_size)},
      {"train.optimizer.type", optimizer.type},
      {"train.optimizer.learning_rate", fmt::format("{}", optimizer.learning_rate)},
      {"train.optimizer.schedule", std::string(name_of(optimizer.schedule))},
      {"train.optimizer.rho", fmt::format("{}", optimizer.rho)},
      {"train.optimizer.epsilon", fmt::format("{}", optimizer.epsilon)},
      {"train.optimizer.epsilon_inside_sqrt", fmt::format("{}", optimizer.epsilon_inside_sqrt)}};
  if (head.steps > 0) key.emplace_back("train.epochs", fmt::format("{}", epochs));
  return key;
}

HeadOptions options_of(const LabelledFeatures& train, const Config& config, std::size_t steps) {
  HeadOptions options = head_options(config, train.shape.count(), train.classes.size());
  if (config.train.optimizer.schedule == Schedule::linear) options.steps = steps;
  return options;
}

class Training {
 public:
  Training(const RunContext& context, const LabelledFeatures& train,
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
        batches_per_epoch_((train.features.rows + config.train.batch_size - 1) /
                           config.train.batch_size),
        options_(options_of(train, config, config.train.epochs * batches_per_epoch_)),
        head_(context.backend.make_head(options_)) {
    run_.key = run_key(train, validation, options_, config.train.epochs);
  }

  History run() {
    make_folder(output_);
    if (continue_from_checkpoint()) {
      write_histories();
    } else {
      run_.state = initial_head_state(options_);
    }
    if (epochs_done() == config_.train.epochs) {
      context_.observer.note(
          fmt::format("All {} epochs are trained; remove {} or change the seed to train anew.",
                      epochs_done(), checkpoint_path_.string()));
      finish();
      return run_.history;
    }
    head_->set_state(run_.state);
    head_->set_training_data(train_.features, train_.labels, {});

    const Stage stage(context_.observer, "training", config_.train.epochs * batches_per_epoch_,
                      "batches");
    context_.observer.row("epoch      loss  accuracy  val_loss  val_accuracy");
    while (epochs_done() < config_.train.epochs) {
      const TraceSpan span(context_.tracer, "epoch", epochs_done() + 1);
      const Epoch epoch = train_epoch();
      run_.history.push_back(epoch);
      run_.state = {};  // so that two states are never held at once
      run_.state = head_->state();
      save_epoch();
      show(epoch);
    }
    finish();
    return run_.history;
  }

 private:
  std::size_t epochs_done() const { return run_.history.size(); }

  // True when run_ is now the state after the last epoch of an earlier run of the same key.
  bool continue_from_checkpoint() {
    std::string reason;
    auto saved = load_checkpoint(checkpoint_path_, run_.key, options_.layers(), reason);
    if (saved && (saved->history.empty() || saved->history.size() > config_.train.epochs)) {
      reason = fmt::format("it has {} epochs, train.epochs is {}", saved->history.size(),
                           config_.train.epochs);
    } else if (saved && has_best_head(*saved, reason)) {
      if (saved->history.size() < config_.train.epochs) {
        context_.observer.note(fmt::format("Training goes on after epoch {} of {}, from {}.",
                                           saved->history.size(), config_.train.epochs,
                                           checkpoint_path_.string()));
      }
      run_ = std::move(*saved);
      return true;
    }
    if (!reason.empty()) {
      context_.observer.note(fmt::format("Training starts anew; {} is not continued: {}.",
                                         checkpoint_path_.string(), reason));
    }
    return false;
  }

  // head_best is of the best epoch that the checkpoint knows, or of the next one: a kill cut that one
  // off between its two files, and it is trained again.
  bool has_best_head(const Checkpoint& saved, std::string& reason) const {
    std::error_code unknown;
    if (!std::filesystem::exists(best_path_, unknown)) {
      reason = fmt::format("the best head so far, {}, is missing", best_path_.string());
      return false;
    }
    try {
      const std::size_t epoch = load_head(best_path_).epoch;
      const std::size_t done = saved.history.size();
      if (epoch == best_epoch(saved.history) + 1) return true;
      if (epoch == done + 1 && done < config_.train.epochs) return true;
      reason = fmt::format("{} is of another run", best_path_.string());
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::io) throw;
      reason = error.what();
    }
    return false;
  }

  Epoch train_epoch() {
    const std::size_t epoch = epochs_done();
    const auto order = epoch_order(train_.features.rows, options_.seed, epoch);
    const std::span<const std::uint32_t> rows(order);
    for (std::size_t batch = 0; batch < batches_per_epoch_; ++batch) {
      if (context_.stop.stop_requested()) stop_as_interrupted();
      const std::size_t first = batch * options_.batch_size;
      const std::size_t size = std::min(options_.batch_size, rows.size() - first);
      const std::size_t step = epoch * batches_per_epoch_ + batch;
      const TraceSpan span(context_.tracer, "step", step);
      head_->train_step(rows.subspan(first, size), step);
      context_.observer.advance(step + 1);
    }
    const auto traced = [&](const char* name, const auto& totals) {
      const TraceSpan span(context_.tracer, name, epoch + 1);
      const Totals found = totals();
      if (!std::isfinite(found.loss())) stop_as_diverged();
      return found;
    };
    const Totals training = traced("wait for the losses", [&] { return head_->take_totals(); });
    const Totals validation = traced(
        "validate", [&] { return head_->evaluate(validation_.features, validation_.labels); });
    return {training.loss(), training.accuracy(), validation.loss(), validation.accuracy()};
  }

  void save_epoch() {
    const TraceSpan span(context_.tracer, "save", epochs_done());
    if (epochs_done() == 1) {
      remove_file(checkpoint_path_);
      remove_file(head_path_);
    }
    if (best_epoch(run_.history) + 1 == epochs_done()) save_as(best_path_);
    save_checkpoint(checkpoint_path_, run_);
    write_histories();
  }

  void write_histories() const {
    write_file_whole(output_ / "history.csv", history_csv(run_.history));
    write_file_whole(output_ / "history.json", history_json(run_.history));
  }

  void save_as(const std::filesystem::path& path) const {
    save_head(path, {run_.state.parameters,
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
    const std::size_t best = best_epoch(run_.history);
    context_.observer.note(fmt::format("The best val_accuracy is {:.4f}, of epoch {}: {}.",
                                       run_.history[best].val_accuracy, best + 1,
                                       best_path_.string()));
  }

  std::string saved_epochs() const {
    if (epochs_done() == 0) return "no epoch is saved yet";
    return fmt::format("{} of its epochs {} saved in {}", epochs_done(),
                       epochs_done() == 1 ? "is" : "are", checkpoint_path_.string());
  }

  [[noreturn]] void stop_as_diverged() const {
    check_finite(train_, "training");
    check_finite(validation_, "validation");
    throw Error(
        ErrorKind::usage,
        fmt::format(
            "Training diverged in epoch {}: the loss is no longer a finite number ({}). Try "
            "a train.optimizer.learning_rate below {}, or another data.preprocess than {}.",
            epochs_done() + 1, saved_epochs(), config_.train.optimizer.learning_rate,
            name_of(config_.data.preprocess)));
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
  const std::size_t batches_per_epoch_;
  const HeadOptions options_;
  std::unique_ptr<Head> head_;
  Checkpoint run_;  // what the next checkpoint will hold
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
  return {inputs,
          config.head.hidden,
          classes,
          config.head.dropout,
          config.train.batch_size,
          config.train.optimizer,
          config.seed};
}

LabelledFeatures labelled(const FeatureSet& set) {
  return {set.view(),        set.labels(), set.classes(), set.files(),   set.shape(),
          set.fingerprint(), set.key(),    set.views(),   set.contents()};
}

History train_head(const RunContext& context, const LabelledFeatures& train,
                   const LabelledFeatures& validation, const Config& config,
                   const std::filesystem::path& output) {
  check_numbers(config.train);
  check_sets(train, validation);
  warn_of_imbalance(train, "training", context.observer);
  warn_of_imbalance(validation, "validation", context.observer);
  return Training(context, train, validation, config, output).run();
}

}  // namespace graft
