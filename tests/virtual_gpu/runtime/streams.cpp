#include "runtime/streams.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "report/environment.h"
#include "report/faults.h"
#include "report/report.h"

namespace vgpu {
namespace {

constexpr int kLongestChain = 1000;

void merge(std::vector<std::size_t>& into, const std::vector<std::size_t>& more) {
  for (const std::size_t node : more)
    if (std::find(into.begin(), into.end(), node) == into.end()) into.push_back(node);
}

}  // namespace

Scheduler& Scheduler::instance() {
  static auto* scheduler = new Scheduler;
  return *scheduler;
}

Scheduler::Scheduler() {
  legacy_ = &create_stream(true, false);
  legacy_->is_legacy = true;
  set_seed(environment().seed);
}

void Scheduler::set_seed(std::uint64_t seed) {
  seed_ = seed;
  random_state_ = seed * 0x9E3779B97F4A7C15U + 1;
}

std::uint64_t Scheduler::random(std::uint64_t below) {  // splitmix64
  std::uint64_t z = (random_state_ += 0x9E3779B97F4A7C15U);
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
  return (z ^ (z >> 31U)) % below;
}

void Scheduler::without_lock(const std::function<void()>& function) {
  // The lock is taken once per API call and once more while an operation runs it.
  mutex_.unlock();
  function();
  mutex_.lock();
}

// ---- Streams and events ----

Stream& Scheduler::create_stream(bool is_blocking, bool from_program) {
  auto stream = std::make_unique<Stream>();
  stream->is_blocking = is_blocking;
  stream->from_program = from_program;
  streams_.push_back(std::move(stream));
  return *streams_.back();
}

// Its work still runs; it goes once that is done.
void Scheduler::destroy_stream(Stream& stream) {
  stream.is_destroyed = true;
}

Stream* Scheduler::find_stream(const void* handle) {
  for (const auto& stream : streams_)
    if (stream.get() == handle && !stream->is_destroyed) return stream.get();
  return nullptr;
}

std::shared_ptr<Event> Scheduler::create_event(bool has_timing) {
  auto event = std::make_shared<Event>();
  event->has_timing = has_timing;
  events_.insert(event);
  return event;
}

std::shared_ptr<Event> Scheduler::find_event(const void* handle) {
  for (const auto& event : events_)
    if (event.get() == handle) return event;
  return nullptr;
}

bool Scheduler::destroy_event(const void* handle) {
  const auto event = find_event(handle);
  return event != nullptr && events_.erase(event) != 0;
}

std::size_t Scheduler::live_streams() const {
  return static_cast<std::size_t>(
      std::count_if(streams_.begin(), streams_.end(),
                    [](const auto& s) { return s->from_program && !s->is_destroyed; }));
}

// ---- Queues ----

void Scheduler::hold_up(std::string reason, const std::function<void()>& wait) {
  held_up_by_ = std::move(reason);
  wait();
  held_up_by_.clear();
}

// Waits while the queue is full, as the call does on a device.
void Scheduler::push(Stream& stream, Operation operation) {
  const std::uint64_t limit = environment().queue;
  if (limit != 0 && stream.queue.size() >= limit)
    hold_up("room in a queue of " + std::to_string(limit) + " entries", [&] {
      run_until([&] { return stream.queue.size() < limit; }, [&] { return &stream; });
    });
  operation.number = ++next_number_;
  stream.queue.push_back(std::move(operation));
}

void Scheduler::launched(Stream& stream, const std::string& name, const std::string& code) {
  if (loaded_.insert(code).second && stream.capture != nullptr &&
      stream.capture->forbids_unsafe_calls)
    Report::instance().error("cold_capture", name, 0,
                             readable(name) +
                                 " is used for the first time in a capture: a device "
                                 "loads its code then, which the capture can forbid");
  const std::string& profiled = environment().serialise;
  if (profiled.empty()) return;
  if (profiled != "*" && readable(name).find(profiled) == std::string::npos) return;
  if (stream.capture != nullptr)
    stream.capture->graph->is_profiled = true;
  else
    hold_up("the profiled kernel " + readable(name), [&] { finish(stream); });
}

void Scheduler::launched(Stream& stream, const Graph& graph) {
  if (graph.is_profiled) hold_up("a profiled kernel of a graph", [&] { finish(stream); });
}

void Scheduler::enqueue(Stream& stream, Work work) {
  if (stream.capture != nullptr) {
    auto& nodes = stream.capture->graph->nodes;
    nodes.push_back({std::move(work), stream.tail});
    stream.tail = {nodes.size() - 1};
    return;
  }
  push(stream, {0, std::move(work), nullptr, nullptr, 0});
  if (seed_ == 0 || random(4) != 0) return;
  for (std::uint64_t n = random(4); n > 0; --n) make_some_progress();
}

void Scheduler::record(Stream& stream, const std::shared_ptr<Event>& event) {
  event->capture = stream.capture;
  if (stream.capture != nullptr)
    event->nodes = stream.tail;
  else
    push(stream, {0, {}, event, nullptr, ++event->recorded});
}

cudaError_t Scheduler::wait_for(Stream& stream, const std::shared_ptr<Event>& event) {
  if (event->capture != nullptr) {
    if (event->capture->has_ended) return cudaErrorCapturedEvent;
    if (stream.is_legacy) return cudaErrorStreamCaptureUnsupported;
    if (stream.capture != nullptr && stream.capture != event->capture)
      return cudaErrorStreamCaptureMerge;
    stream.capture = event->capture;
    merge(stream.tail, event->nodes);
    return cudaSuccess;
  }
  if (stream.capture != nullptr) return cudaErrorStreamCaptureIsolation;
  if (event->completed < event->recorded) push(stream, {0, {}, nullptr, event, event->recorded});
  return cudaSuccess;
}

// The legacy stream and the blocking ones run in the order of the calls.
bool Scheduler::blocked_by(const Stream& stream, const Stream& other) const {
  if (&stream == &other || other.queue.empty() || !stream.is_blocking || !other.is_blocking)
    return false;
  return (stream.is_legacy || other.is_legacy) &&
         other.queue.front().number < stream.queue.front().number;
}

bool Scheduler::is_eligible(const Stream& stream) const {
  if (stream.queue.empty() || stream.is_busy) return false;
  const Operation& first = stream.queue.front();
  if (first.wait != nullptr && first.wait->completed < first.version) return false;
  return std::none_of(streams_.begin(), streams_.end(),
                      [&](const auto& other) { return blocked_by(stream, *other); });
}

Stream* Scheduler::holder_of(const Event& event) {
  for (const auto& stream : streams_)
    for (const Operation& operation : stream->queue)
      if (operation.record.get() == &event) return stream.get();
  return nullptr;
}

// A stream whose first operation can run and brings this one forward.
Stream* Scheduler::needed_by(Stream& stream, int depth) {
  if (stream.queue.empty() || depth > kLongestChain) return nullptr;
  if (is_eligible(stream)) return &stream;
  const Operation& first = stream.queue.front();
  if (first.wait != nullptr && first.wait->completed < first.version)
    if (Stream* holder = holder_of(*first.wait); holder != nullptr)
      return needed_by(*holder, depth + 1);
  for (const auto& other : streams_)
    if (blocked_by(stream, *other))
      if (Stream* found = needed_by(*other, depth + 1); found != nullptr) return found;
  return nullptr;
}

Stream* Scheduler::choose(Stream* wanted) {
  const bool runs_ahead = seed_ != 0 && seed_ % 2 == 0;
  Stream* needed = wanted != nullptr && !runs_ahead ? needed_by(*wanted, 0) : nullptr;
  if (needed != nullptr && (seed_ == 0 || random(2) == 0)) return needed;
  std::vector<Stream*> eligible;
  for (const auto& stream : streams_)
    if (is_eligible(*stream)) eligible.push_back(stream.get());
  if (eligible.empty()) return nullptr;
  if (seed_ == 0) return eligible.front();
  const bool stays = std::find(eligible.begin(), eligible.end(), ahead_) != eligible.end();
  if (runs_ahead && stays && random(16) != 0) return ahead_;
  ahead_ = eligible[random(eligible.size())];
  return ahead_;
}

void Scheduler::run_first(Stream& stream) {
  stream.is_busy = true;
  const Operation& operation = stream.queue.front();
  if (operation.record != nullptr) {
    operation.record->completed = std::max(operation.record->completed, operation.version);
    operation.record->tick = ++ticks_;
  } else if (operation.work && sticky_ == cudaSuccess) {
    const Work work = operation.work;  // the queue may grow while it runs
    try {
      work();
    } catch (const Failure& failure) {
      set_error(failure.code);
    }
  }
  stream.queue.pop_front();
  stream.is_busy = false;
  std::erase_if(streams_, [](const auto& s) { return s->is_destroyed && s->queue.empty(); });
  changed_.notify_all();
}

void Scheduler::run_until(const std::function<bool()>& done,
                          const std::function<Stream*()>& wanted) {
  while (!done()) {
    if (Stream* next = choose(wanted()); next != nullptr) {
      run_first(*next);
      continue;
    }
    const bool busy = std::any_of(streams_.begin(), streams_.end(),
                                  [](const auto& stream) { return stream->is_busy; });
    if (!busy) {
      Report::instance().error("deadlock", "", 0, "streams wait for one another");
      return;
    }
    changed_.wait(mutex_);  // another thread runs a host function
  }
}

void Scheduler::finish(Stream& stream) {
  // Only what is there now: another thread may go on enqueuing.
  if (stream.queue.empty()) return;
  const std::uint64_t last = stream.queue.back().number;
  run_until([&] { return stream.queue.empty() || stream.queue.front().number > last; },
            [&] { return &stream; });
}

void Scheduler::finish(const std::shared_ptr<Event>& event) {
  const std::uint64_t version = event->recorded;
  run_until([&] { return event->completed >= version; }, [&] { return holder_of(*event); });
}

void Scheduler::finish_all() {
  const std::uint64_t last = next_number_;
  const auto pending = [&]() -> Stream* {
    for (const auto& stream : streams_)
      if (!stream->queue.empty() && stream->queue.front().number <= last) return stream.get();
    return nullptr;
  };
  run_until([&] { return pending() == nullptr; }, pending);
}

void Scheduler::make_some_progress() {
  if (Stream* next = choose(nullptr); next != nullptr) run_first(*next);
}

// ---- Errors ----

void Scheduler::set_error(cudaError_t error) {
  if (!is_sticky(error))
    async_error_ = error;
  else if (sticky_ == cudaSuccess)
    sticky_ = error;
}

cudaError_t Scheduler::take_async_error() {
  return std::exchange(async_error_, cudaSuccess);
}

void Scheduler::revive() {
  for (const auto& stream : streams_) {
    for (const Operation& operation : stream->queue)
      if (operation.record != nullptr) operation.record->completed = operation.version;
    stream->queue.clear();
    stream->capture = nullptr;
    stream->tail.clear();
  }
  sticky_ = async_error_ = cudaSuccess;
}

// ---- Capture ----

cudaError_t Scheduler::begin_capture(Stream& stream, bool forbids_unsafe_calls) {
  if (stream.is_legacy) return cudaErrorStreamCaptureUnsupported;
  if (stream.capture != nullptr) return cudaErrorStreamCaptureUnmatched;
  stream.capture = std::make_shared<Capture>();
  stream.capture->origin = &stream;
  stream.capture->forbids_unsafe_calls = forbids_unsafe_calls;
  stream.tail.clear();
  captures_.push_back(stream.capture);
  return cudaSuccess;
}

cudaError_t Scheduler::end_capture(Stream& stream, std::shared_ptr<Graph>& graph) {
  const std::shared_ptr<Capture> capture = stream.capture;
  if (capture == nullptr || capture->origin != &stream) return cudaErrorStreamCaptureUnmatched;
  capture->has_ended = true;
  // Every node must come before the end of the origin stream.
  const auto& nodes = capture->graph->nodes;
  std::vector<bool> joined(nodes.size(), false);
  for (const std::size_t node : stream.tail) joined[node] = true;
  for (std::size_t n = nodes.size(); n-- > 0;)
    if (joined[n])
      for (const std::size_t before : nodes[n].after) joined[before] = true;
  for (const auto& other : streams_)
    if (other->capture == capture) {
      other->capture = nullptr;
      other->tail.clear();
    }
  if (capture->is_broken) return cudaErrorStreamCaptureInvalidated;
  if (std::find(joined.begin(), joined.end(), false) != joined.end())
    return cudaErrorStreamCaptureUnjoined;
  graph = capture->graph;
  return cudaSuccess;
}

bool Scheduler::unsafe_call_in_capture() {
  bool unsafe = false;
  for (const auto& weak : captures_)
    if (const auto capture = weak.lock(); capture != nullptr && capture->forbids_unsafe_calls &&
                                          capture->origin->capture == capture) {
      capture->is_broken = true;
      unsafe = true;
    }
  return unsafe;
}

void Scheduler::run_graph(const Graph& graph) {
  std::vector<std::size_t> waits_for;
  std::vector<std::size_t> ready;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    waits_for.push_back(graph.nodes[n].after.size());
    if (waits_for[n] == 0) ready.push_back(n);
  }
  while (!ready.empty()) {
    const std::size_t pick = seed_ == 0 ? 0 : random(ready.size());
    const std::size_t node = ready[pick];
    ready.erase(ready.begin() + static_cast<std::ptrdiff_t>(pick));
    graph.nodes[node].work();
    for (std::size_t n = node + 1; n < graph.nodes.size(); ++n) {
      const auto& after = graph.nodes[n].after;
      if (std::find(after.begin(), after.end(), node) != after.end() && --waits_for[n] == 0)
        ready.push_back(n);
    }
  }
}

}  // namespace vgpu
