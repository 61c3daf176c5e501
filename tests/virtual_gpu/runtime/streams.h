#pragma once
// Streams, events and captured graphs. Work that a program enqueues waits in its stream's queue and
// runs only when somebody waits for something, in any order that the streams and events allow: seed
// 0 runs no more than what is waited for, other seeds run other streams' work in between, and
// sometimes some of it as soon as it is enqueued. Odd seeds mix the streams' operations; even ones
// let one stream run as far ahead as it can, so that a wait is missed that many operations separate
// from what it guards.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "report/failure.h"

namespace vgpu {

// Runs under the scheduler's lock. Throws Failure where the stream gets an error.
using Work = std::function<void()>;

struct Graph {
  struct Node {
    Work work;
    std::vector<std::size_t> after;  // earlier nodes
  };
  std::vector<Node> nodes;
  bool is_profiled = false;  // one of them is a kernel that VGPU_SERIALISE names
};

struct Stream;

struct Capture {
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
  Stream* origin = nullptr;
  bool forbids_unsafe_calls = false;  // global and thread-local mode
  bool is_broken = false;
  bool has_ended = false;  // its events can be recorded again, but not waited for
};

struct Event {
  std::uint64_t recorded = 0;   // how often cudaEventRecord was called
  std::uint64_t completed = 0;  // how many of those have run
  std::uint64_t tick = 0;       // of the last that has run: ticks count the records of all streams
  bool has_timing = true;
  std::shared_ptr<Capture> capture;  // of the last record, if it was captured
  std::vector<std::size_t> nodes;
};

struct Operation {
  std::uint64_t number = 0;  // order of the calls, over all streams
  Work work;                 // empty for record and wait
  std::shared_ptr<Event> record, wait;
  std::uint64_t version = 0;  // of the event
};

struct Stream {
  bool is_legacy = false;
  bool is_blocking = true;  // synchronises with the legacy stream
  bool from_program = true;
  bool is_destroyed = false;
  bool is_busy = false;  // its first operation runs now
  std::deque<Operation> queue;
  std::shared_ptr<Capture> capture;
  std::vector<std::size_t> tail;  // nodes that the next captured one follows
};

class Scheduler {
 public:
  static Scheduler& instance();

  // Held by every API call; host functions run without it.
  std::recursive_mutex& mutex() { return mutex_; }
  void without_lock(const std::function<void()>& function);

  Stream& legacy() { return *legacy_; }
  Stream& create_stream(bool is_blocking, bool from_program = true);
  void destroy_stream(Stream& stream);
  Stream* find_stream(const void* handle);  // nullptr for a stale handle
  std::shared_ptr<Event> create_event(bool has_timing);
  bool destroy_event(const void* handle);
  std::shared_ptr<Event> find_event(const void* handle);

  // Into the stream, or into the graph that it is captured into.
  void enqueue(Stream& stream, Work work);
  void record(Stream& stream, const std::shared_ptr<Event>& event);
  cudaError_t wait_for(Stream& stream, const std::shared_ptr<Event>& event);
  // After a kernel was enqueued. Reports code whose first use is in a capture, and waits if a
  // profiler would (VGPU_SERIALISE). `code`: what a device loads for it; has more than the name
  // where a library chooses among many kernels.
  void launched(Stream& stream, const std::string& name, const std::string& code);
  void launched(Stream& stream, const Graph& graph);
  void load(const std::string& code) { loaded_.insert(code); }
  // Why the call that runs work now does not return before that has ended, though it only enqueues;
  // empty in calls that wait by their nature.
  const std::string& held_up_by() const { return held_up_by_; }

  // Run until done.
  void finish(Stream& stream);
  void finish(const std::shared_ptr<Event>& event);
  void finish_all();
  void make_some_progress();  // for queries, so that polling ends

  cudaError_t begin_capture(Stream& stream, bool forbids_unsafe_calls);
  cudaError_t end_capture(Stream& stream, std::shared_ptr<Graph>& graph);
  // Whether a capture is in progress that the call would break; breaks it.
  bool unsafe_call_in_capture();
  void run_graph(const Graph& graph);  // nodes in some order that the edges allow

  cudaError_t sticky_error() const { return sticky_; }
  void set_error(cudaError_t error);  // of asynchronous work
  cudaError_t take_async_error();     // not sticky: reported once
  void set_seed(std::uint64_t seed);
  void revive();  // drops all work and the sticky error

  std::size_t live_streams() const;
  std::size_t live_events() const { return events_.size(); }

 private:
  Scheduler();
  void push(Stream& stream, Operation operation);
  void hold_up(std::string reason, const std::function<void()>& wait);
  bool is_eligible(const Stream& stream) const;
  bool blocked_by(const Stream& stream, const Stream& other) const;
  Stream* needed_by(Stream& stream, int depth);
  Stream* holder_of(const Event& event);
  Stream* choose(Stream* wanted);
  void run_first(Stream& stream);
  void run_until(const std::function<bool()>& done, const std::function<Stream*()>& wanted);
  std::uint64_t random(std::uint64_t below);

  std::recursive_mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<std::unique_ptr<Stream>> streams_;
  Stream* legacy_ = nullptr;
  std::set<std::shared_ptr<Event>> events_;
  std::vector<std::weak_ptr<Capture>> captures_;
  std::uint64_t next_number_ = 0;
  std::uint64_t seed_ = 0, random_state_ = 0;
  std::uint64_t ticks_ = 0;
  Stream* ahead_ = nullptr;  // chosen last; may be gone
  std::string held_up_by_;
  std::set<std::string> loaded_;  // code that a device would have in memory
  cudaError_t sticky_ = cudaSuccess, async_error_ = cudaSuccess;
};

}  // namespace vgpu
