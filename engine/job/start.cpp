#include "engine/job/start.h"

#include <fmt/format.h>

#include <atomic>
#include <cstddef>
#include <exception>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/background.h"
#include "engine/base/text.h"
#include "engine/base/trace.h"

namespace graft {
namespace {

// Keeps the calls of an observer until `is_made`, then passes them on in order, after `announce`. Drops
// them where that returns false. Reading has no rows of a table.
class HeldObserver final : public SilentObserver {
 public:
  HeldObserver(Observer& next, const std::atomic<bool>& is_made, std::function<bool()> announce)
      : next_(next), is_made_(is_made), announce_(std::move(announce)) {}

  void begin(std::string_view stage, std::size_t total, std::string_view unit) override {
    pass([stage = std::string(stage), total, unit = std::string(unit)](Observer& next) {
      next.begin(stage, total, unit);
    });
  }
  void advance(std::size_t done_in_all) override {
    pass([done_in_all](Observer& next) { next.advance(done_in_all); });
  }
  void end() override {
    pass([](Observer& next) { next.end(); });
  }
  void note(std::string_view sentence) override {
    pass([text = std::string(sentence)](Observer& next) { next.note(text); });
  }
  void warn(std::string_view sentence) override {
    pass([text = std::string(sentence)](Observer& next) { next.warn(text); });
  }
  void release() {
    if (state_ != State::holds || !is_made_) return;
    state_ = announce_() ? State::passes_on : State::drops;
    if (state_ == State::drops) return;
    for (const Call& call : held_) call(next_);
  }

 private:
  using Call = std::function<void(Observer&)>;
  enum class State { holds, passes_on, drops };
  void pass(Call call) {
    release();
    if (state_ == State::holds) held_.push_back(std::move(call));
    if (state_ == State::passes_on) call(next_);
  }

  Observer& next_;
  const std::atomic<bool>& is_made_;
  const std::function<bool()> announce_;
  std::vector<Call> held_;
  State state_ = State::holds;
};

// The first line of a job.
std::string summary(const Backend& backend, const Config& config) {
  const BackboneOptions options = backbone_options_on(backend, config);
  const auto chosen = [](bool automatic) { return automatic ? " (chosen by \"auto\")" : ""; };
  return fmt::format(
      "device: {}{}; backbone: {}{}, batches of {}{}; weights: {}", backend.description(),
      chosen(config.device == "auto"), name_of(options.precision),
      chosen(config.backbone.precision == PrecisionChoice::automatic), options.batch_size,
      chosen(config.backbone.batch_size == 0), shown(config.backbone.weights));
}

}  // namespace

void make_while_reading(const std::function<void()>& make, const std::function<void()>& announce,
                        const Reading& read, Observer& observer, const std::stop_token& stop) {
  std::stop_source reading;
  const std::stop_callback passed_on(stop, [&] { reading.request_stop(); });
  std::exception_ptr start_failure, read_failure;
  const auto succeeds = [&](const std::function<void()>& step) {
    try {
      step();
      return true;
    } catch (...) {
      start_failure = std::current_exception();
      reading.request_stop();
      return false;
    }
  };
  std::atomic<bool> is_made = false;
  HeldObserver held(observer, is_made, [&] { return succeeds(announce); });
  {
    const std::jthread maker = start_thread([&] { is_made = succeeds(make); });
    try {
      if (read) read(held, reading.get_token());
    } catch (...) {
      read_failure = std::current_exception();
    }
  }
  held.release();
  if (start_failure) std::rethrow_exception(start_failure);
  if (read_failure) std::rethrow_exception(read_failure);
}

std::unique_ptr<Backend> start_backend(const Config& config, const JobHooks& hooks,
                                       Observer& observer, const std::stop_token& stop,
                                       const Reading& read) {
  std::unique_ptr<Backend> backend;
  std::vector<std::string> notes;
  const auto make = [&] {
    if (hooks.tracer != nullptr) hooks.tracer->name_thread("start");
    const TraceSpan span(hooks.tracer, "start the device");
    backend = make_backend(config.device, config.threads,
                           [&](const std::string& note) { notes.push_back(note); });
    backend->set_tracer(hooks.tracer);
  };
  const auto announce = [&] {
    for (const std::string& note : notes) observer.note(note);
    observer.note(summary(*backend, config));
    if (hooks.backend_made) hooks.backend_made(*backend);
  };
  make_while_reading(make, announce, read, observer, stop);
  return backend;
}

BackboneOptions backbone_options_on(const Backend& backend, const Config& config) {
  BackboneOptions options = backbone_options(config, backend.automatic_precision());
  if (options.batch_size == 0) options.batch_size = backend.automatic_batch(options);
  return options;
}

}  // namespace graft
