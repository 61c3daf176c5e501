#include "engine/job/start.h"

#include <fmt/format.h>

#include <cstddef>
#include <future>
#include <limits>
#include <string>

#include "engine/base/background.h"
#include "engine/base/bounded_queue.h"
#include "engine/base/text.h"
#include "engine/base/trace.h"

namespace graft {
namespace {

using CallQueue = BoundedQueue<std::function<void(Observer&)>>;

// Queues the calls of an observer, and closes the queue. Reading has no rows of a table.
class QueuingObserver final : public SilentObserver {
 public:
  explicit QueuingObserver(CallQueue& calls) : calls_(calls) {}
  ~QueuingObserver() override { calls_.close(); }
  QueuingObserver(const QueuingObserver&) = delete;
  QueuingObserver& operator=(const QueuingObserver&) = delete;

  void begin(std::string_view stage, std::size_t total, std::string_view unit) override {
    calls_.push([stage = std::string(stage), total, unit = std::string(unit)](Observer& to) {
      to.begin(stage, total, unit);
    });
  }
  void advance(std::size_t done_in_all) override {
    calls_.push([done_in_all](Observer& to) { to.advance(done_in_all); });
  }
  void end() override {
    calls_.push([](Observer& to) { to.end(); });
  }
  void note(std::string_view sentence) override {
    calls_.push([text = std::string(sentence)](Observer& to) { to.note(text); });
  }
  void warn(std::string_view sentence) override {
    calls_.push([text = std::string(sentence)](Observer& to) { to.warn(text); });
  }

 private:
  CallQueue& calls_;
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

void make_while_reading(const std::function<void()>& make, const Reading& read, Observer& observer,
                        const std::stop_token& stop) {
  std::stop_source reading;
  const std::stop_callback passed_on(stop, [&] { reading.request_stop(); });
  CallQueue told(std::numeric_limits<std::size_t>::max());
  std::future<void> reader = start_work([&] {
    QueuingObserver queuing(told);
    if (read) read(queuing, reading.get_token());
  });
  try {
    make();
    while (const auto call = told.pop()) (*call)(observer);
  } catch (...) {
    reading.request_stop();
    throw;
  }
  reader.get();
}

std::unique_ptr<Backend> start_backend(const Config& config, const JobHooks& hooks,
                                       Observer& observer, const std::stop_token& stop,
                                       const Reading& read) {
  std::unique_ptr<Backend> backend;
  const auto make = [&] {
    {
      const TraceSpan span(hooks.tracer, "start the device");
      backend = make_backend(config.device, config.threads,
                             [&](const std::string& note) { observer.note(note); });
      backend->set_tracer(hooks.tracer);
    }
    observer.note(summary(*backend, config));
    if (hooks.backend_made) hooks.backend_made(*backend);
  };
  make_while_reading(make, read, observer, stop);
  return backend;
}

BackboneOptions backbone_options_on(const Backend& backend, const Config& config) {
  BackboneOptions options = backbone_options(config, backend.automatic_precision());
  if (options.batch_size == 0) options.batch_size = backend.automatic_batch(options);
  return options;
}

}  // namespace graft
