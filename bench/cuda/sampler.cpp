#include "bench/cuda/sampler.h"

#include <algorithm>
#include <atomic>

#include "engine/base/error.h"

namespace graft::bench {
namespace {

constexpr int attempts = 3;
constexpr std::uint32_t polls_without_timer = 4;

// Calls `action` at the end of the scope, also after an exception: a blocked stream would not end.
template <typename Action>
class AtExit {
 public:
  explicit AtExit(Action action) : action_(action) {}
  AtExit(const AtExit&) = delete;
  AtExit& operator=(const AtExit&) = delete;
  ~AtExit() { action_(); }

 private:
  Action action_;
};

}  // namespace

Sampler::Sampler(const SamplerOptions& options) : options_(options) {
  if (options_.has_timer) options_.has_timer = !launches_wait();
  if (!options_.has_timer) options_.polls = polls_without_timer;
}

double Sampler::seconds(const Work& work, CacheState cache, std::size_t times) {
  double sum = 0.0;
  std::size_t most = options_.batch_executions;
  int timeouts = 0;
  for (std::size_t done = 0; done < times;) {
    const std::size_t executions = std::min(most, times - done);
    const Batch batch = time_batch(work, cache, executions);
    if (batch.valid || !options_.has_timer) {
      sum += batch.seconds;
      done += executions;
      continue;
    }
    if (++timeouts == attempts) {
      throw Error(ErrorKind::device,
                  "the host needed seconds to enqueue work, so that its time on the GPU is not "
                  "valid; reduce the load of this machine and measure again");
    }
    most = std::max<std::size_t>(1, executions / 4);
  }
  return options_.has_timer ? sum : 0.0;
}

Sampler::Batch Sampler::time_batch(const Work& work, CacheState cache, std::size_t executions) {
  if (cache == CacheState::cold) enqueue_flush();
  auto* flags = flags_.as<BlockingFlags>();
  *flags = {};
  {
    const AtExit at_exit([this] { unblock(); });
    block_stream(flags, options_.polls, stream_.get());
    begin_.record(stream_);
    for (std::size_t n = 0; n < executions; ++n) work(stream_.get());
    end_.record(stream_);
  }
  end_.wait();
  float milliseconds = 0.0F;
  GRAFT_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, begin_.get(), end_.get()));
  return {static_cast<double>(milliseconds) * 1e-3, flags->timed_out == 0};
}

// Where launches wait, this one returns after the blocking kernel has timed out.
bool Sampler::launches_wait() {
  auto* flags = flags_.as<BlockingFlags>();
  for (int attempt = 0; attempt < attempts; ++attempt) {
    *flags = {};
    block_stream(flags, options_.probe_polls, stream_.get());
    unblock();
    stream_.wait();
    if (flags->timed_out == 0) return false;
  }
  return true;
}

void Sampler::unblock() {
  std::atomic_ref(flags_.as<BlockingFlags>()->open).store(1, std::memory_order_release);
}

void Sampler::enqueue_flush() {
  if (flushed_.size() == 0) flushed_ = cuda::DeviceBuffer(options_.flush_bytes);
  if (flushed_.size() == 0) return;
  GRAFT_CUDA_CHECK(cudaMemsetAsync(flushed_.data(), 0, flushed_.size(), stream_.get()));
}

void Sampler::flush() {
  enqueue_flush();
  stream_.wait();
}

}  // namespace graft::bench
