#include "bench/cuda/sampler.h"

#include <atomic>

#include "engine/base/error.h"

namespace graft::bench {
namespace {

// With this many executions in the stream the device is busy for longer than the host needs for the
// next: the gate opens. A stream holds about a thousand launches before the host has to wait.
constexpr std::size_t enough_executions = 32;
constexpr int attempts = 3;
constexpr std::uint32_t looks_without_times = 4;

// Opens the gate when it goes out of scope, whatever happens: a stream behind it would wait.
template <typename Open>
class AtExit {
 public:
  explicit AtExit(Open open) : open_(open) {}
  AtExit(const AtExit&) = delete;
  AtExit& operator=(const AtExit&) = delete;
  ~AtExit() { open_(); }

 private:
  Open open_;
};

}  // namespace

Sampler::Sampler(const SamplerOptions& options) : options_(options) {
  if (options_.gives_times) options_.gives_times = !launches_wait();
  if (!options_.gives_times) options_.gate_looks = looks_without_times;
}

double Sampler::seconds(const Work& work, CacheState cache, std::size_t times) {
  for (int attempt = 0; attempt < attempts; ++attempt) {
    const Sample sample = once(work, cache, times);
    if (!options_.gives_times) return 0.0;
    if (sample.gate_held) return sample.seconds;
  }
  throw Error(ErrorKind::device,
              "the host needed seconds to start work on the GPU, so that the GPU's clock says "
              "nothing of the work; see what else this machine does, and measure again");
}

Sampler::Sample Sampler::once(const Work& work, CacheState cache, std::size_t times) {
  if (cache == CacheState::cold) enqueue_flush();
  auto* words = gate_.as<GateWords>();
  *words = {};
  {
    const AtExit open([this] { open_gate(); });
    wait_at_gate(words, options_.gate_looks, stream_.get());
    begin_.record(stream_);
    for (std::size_t n = 0; n < times; ++n) {
      work(stream_.get());
      if (n + 1 == enough_executions) open_gate();
    }
    end_.record(stream_);
  }
  end_.wait();
  float milliseconds = 0.0F;
  GRAFT_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, begin_.get(), end_.get()));
  return {static_cast<double>(milliseconds) * 1e-3, words->gave_up == 0};
}

// A launch that waits for its kernel returns when the gate has given up.
bool Sampler::launches_wait() {
  auto* words = gate_.as<GateWords>();
  for (int attempt = 0; attempt < attempts; ++attempt) {
    *words = {};
    wait_at_gate(words, options_.probe_looks, stream_.get());
    open_gate();
    stream_.wait();
    if (words->gave_up == 0) return false;
  }
  return true;
}

void Sampler::open_gate() {
  std::atomic_ref(gate_.as<GateWords>()->open).store(1, std::memory_order_release);
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
