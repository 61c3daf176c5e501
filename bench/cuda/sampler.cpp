#include "bench/cuda/sampler.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "engine/base/error.h"

namespace graft::bench {
namespace {

constexpr int attempts = 3;
constexpr std::uint32_t polls_without_timer = 4;
constexpr std::size_t entries_if_not_captured = 16;

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

// How many entries of a stream one execution is. An engine of cuDNN may refuse to be captured.
std::size_t entries_of(const Work& work, const cuda::Stream& stream) {
  try {
    return cuda::Graph(stream, [&] { work(stream.get()); }).nodes();
  } catch (const cuda::CallFailure&) {
    cuda::ignore(cudaGetLastError());
    return entries_if_not_captured;
  }
}

}  // namespace

Sampler::Sampler(const SamplerOptions& options) : options_(options) {
  if (options_.has_timer) options_.has_timer = !launches_wait([](cudaStream_t) {});
}

ProbedWork Sampler::probe(Work work) {
  ProbedWork probed = {std::move(work), false, options_.batch_executions};
  if (!options_.has_timer || launches_wait(probed.enqueue)) return probed;
  probed.has_timer = true;
  const std::size_t entries = std::max<std::size_t>(1, entries_of(probed.enqueue, stream_));
  probed.most_executions =
      std::clamp<std::size_t>(options_.batch_entries / entries, 1, options_.batch_executions);
  return probed;
}

double Sampler::seconds(const ProbedWork& work, CacheState cache, std::size_t times) {
  double sum = 0.0;
  std::size_t most = work.most_executions;
  int timeouts = 0;
  for (std::size_t done = 0; done < times;) {
    const std::size_t executions = std::min(most, times - done);
    const Batch batch = time_batch(work, cache, executions);
    if (batch.valid || !work.has_timer) {
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
  return work.has_timer ? sum : 0.0;
}

Sampler::Batch Sampler::time_batch(const ProbedWork& work, CacheState cache,
                                   std::size_t executions) {
  if (cache == CacheState::cold) enqueue_flush();
  auto* flags = flags_.as<BlockingFlags>();
  *flags = {};
  {
    const AtExit at_exit([this] { unblock(); });
    block_stream(flags, work.has_timer ? options_.polls : polls_without_timer, stream_.get());
    begin_.record(stream_);
    for (std::size_t n = 0; n < executions; ++n) work.enqueue(stream_.get());
    end_.record(stream_);
  }
  end_.wait();
  float milliseconds = 0.0F;
  GRAFT_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, begin_.get(), end_.get()));
  return {static_cast<double>(milliseconds) * 1e-3, flags->timed_out == 0};
}

// Where launches wait, that of the blocking kernel or those of `work` return after it has timed out.
bool Sampler::launches_wait(const Work& work) {
  auto* flags = flags_.as<BlockingFlags>();
  for (int attempt = 0; attempt < attempts; ++attempt) {
    *flags = {};
    {
      const AtExit at_exit([this] { unblock(); });
      block_stream(flags, options_.probe_polls, stream_.get());
      work(stream_.get());
    }
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
