#include "bench/cuda/sampler.h"

#include <algorithm>
#include <atomic>

#include "engine/base/error.h"

namespace graft::bench {
namespace {

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
  double sum = 0.0;
  std::size_t most = options_.piece_executions;
  int given_up = 0;
  for (std::size_t done = 0; done < times;) {
    const std::size_t executions = std::min(most, times - done);
    const Piece taken = piece(work, cache, executions);
    if (taken.gate_held || !options_.gives_times) {
      sum += taken.seconds;
      done += executions;
      continue;
    }
    if (++given_up == attempts) {
      throw Error(ErrorKind::device,
                  "the host needed seconds to start work on the GPU, so that the GPU's clock says "
                  "nothing of the work; see what else this machine does, and measure again");
    }
    most = std::max<std::size_t>(1, executions / 4);
  }
  return options_.gives_times ? sum : 0.0;
}

Sampler::Piece Sampler::piece(const Work& work, CacheState cache, std::size_t executions) {
  if (cache == CacheState::cold) enqueue_flush();
  auto* words = gate_.as<GateWords>();
  *words = {};
  {
    const AtExit open([this] { open_gate(); });
    wait_at_gate(words, options_.gate_looks, stream_.get());
    begin_.record(stream_);
    for (std::size_t n = 0; n < executions; ++n) work(stream_.get());
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
