#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>
#include <vector>

#include "bench/cuda/cuda_cases.h"
#include "bench/cuda/peaks.h"
#include "engine/base/error.h"

namespace graft::bench {
namespace {

constexpr std::size_t pack_bytes = 16;

// The amount of work.
struct PeakSizes {
  std::size_t copy_bytes;  // read, and as many written
  PeakShape shape;         // of the arithmetic
  double seconds;          // for each ceiling; 0: one run
};

// The shortest time of one execution; 0 without a timer.
double shortest(const DeviceContext& context, const PeakSizes& sizes, const Work& enqueue,
                const std::stop_token& stop) {
  enqueue(context.sampler.stream().get());  // loads the code
  context.sampler.stream().wait();
  const ProbedWork work = context.sampler.probe(enqueue);
  double best = 0.0, spent = 0.0;
  do {
    if (stop.stop_requested()) throw Error(ErrorKind::interrupted, "interrupted");
    const double seconds = context.sampler.seconds(work, CacheState::hot, 1);
    if (best == 0.0 || seconds < best) best = seconds;
    spent += seconds;
  } while (spent > 0.0 && spent < sizes.seconds);
  return best;
}

double rate(double amount, double seconds) {
  return seconds > 0.0 ? amount / seconds : 0.0;
}

template <typename Value>
std::vector<Value> fetched(const DeviceContext& context, const Value* from, std::size_t count) {
  std::vector<Value> values(count);
  const cuda::Stream& stream = context.sampler.stream();
  GRAFT_CUDA_CHECK(cudaMemcpyAsync(values.data(), from, count * sizeof(Value),
                                   cudaMemcpyDeviceToHost, stream.get()));
  stream.wait();
  return values;
}

[[noreturn]] void refuse(std::string_view what) {
  throw Error(
      ErrorKind::device,
      fmt::format("the kernel that measures {} computed wrong numbers; check the GPU and its "
                  "driver with tools/gpu_check.sh",
                  what));
}

// Bytes a second, read and written. Only three pieces of the copy are checked: a gigabyte would
// take the host longer than the measurement.
double copy_rate(const DeviceContext& context, const PeakSizes& sizes,
                 const std::stop_token& stop) {
  const std::size_t packs = sizes.copy_bytes / pack_bytes;
  const std::size_t bytes = packs * pack_bytes;
  Arrays arrays(&context.sampler.stream());
  const auto* from = arrays.numbers<std::uint8_t>(bytes);
  auto* to = arrays.zeros<std::uint8_t>(bytes);
  const double seconds = shortest(
      context, sizes, [=](cudaStream_t stream) { copy_peak(to, from, packs, stream); }, stop);
  const std::size_t piece = std::min<std::size_t>(bytes, 4096);
  const std::uint8_t expected = fetched(context, from, 1).front();
  for (const std::size_t at : {std::size_t{0}, (bytes - piece) / 2, bytes - piece}) {
    const auto copied = fetched(context, to + at, piece);
    if (std::ranges::any_of(copied, [=](auto byte) { return byte != expected; })) refuse("a copy");
  }
  return rate(2.0 * static_cast<double>(bytes), seconds);
}

// A kernel of peaks.h that measures arithmetic: what a launch does, and what is in out[index].
struct ArithmeticPeak {
  std::function<void(float* out, cudaStream_t)> launch;
  double flop;
  std::function<float(std::size_t index)> value;
};

// The fastest instruction that the device has. The virtual GPU has no wgmma, and no timer.
ArithmeticPeak peak_of(const DeviceContext& context, Precision precision, const PeakShape& shape) {
  if (precision == Precision::fp32) {
    return {[=](float* out, cudaStream_t stream) { multiply_add_peak(out, shape, stream); },
            multiply_add_flop(shape),
            [=](std::size_t index) { return multiply_add_value(shape, index); }};
  }
  if constexpr (GRAFT_BENCH_HAS_WGMMA) {
    if (context.device.compute_capability() == 90 && context.sampler.has_timer()) {
      return {[=](float* out, cudaStream_t stream) { wgmma_peak(precision, out, shape, stream); },
              wgmma_flop(shape), [=](std::size_t) { return wgmma_value(shape); }};
    }
  }
  return {[=](float* out, cudaStream_t stream) { tensor_core_peak(precision, out, shape, stream); },
          tensor_core_flop(shape), [=](std::size_t) { return tensor_core_value(shape); }};
}

double flop_rate(const DeviceContext& context, const PeakSizes& sizes, Precision precision,
                 const std::stop_token& stop) {
  const ArithmeticPeak peak = peak_of(context, precision, sizes.shape);
  Arrays arrays(&context.sampler.stream());
  auto* out = arrays.zeros<float>(sizes.shape.values());
  const double seconds = shortest(
      context, sizes, [&](cudaStream_t stream) { peak.launch(out, stream); }, stop);
  const auto values = fetched(context, out, sizes.shape.values());
  for (std::size_t n = 0; n < values.size(); ++n)
    if (values[n] != peak.value(n)) refuse(name_of(precision));
  return rate(peak.flop, seconds);
}

bool has(const cuda::Device& device, Precision precision) {
  const bool newer = precision == Precision::bf16 || precision == Precision::tf32;
  return !newer || device.compute_capability() >= 80;
}

// For the current device: a copy larger than its L2 cache, and blocks for every multiprocessor.
PeakSizes peak_sizes(const cuda::Device& device) {
  int multiprocessors = 0, cache = 0;
  GRAFT_CUDA_CHECK(
      cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device.ordinal()));
  GRAFT_CUDA_CHECK(cudaDeviceGetAttribute(&cache, cudaDevAttrL2CacheSize, device.ordinal()));
  constexpr std::size_t usual = std::size_t{1} << 28U;
  const std::size_t beyond_cache = 4 * static_cast<std::size_t>(cache);
  const std::size_t most = device.memory_now().free / 4;
  constexpr unsigned blocks_of_multiprocessor = 8, steps = 4096;
  constexpr double seconds = 0.2;
  return {std::min(std::max(usual, beyond_cache), most),
          {blocks_of_multiprocessor * static_cast<unsigned>(multiprocessors), steps},
          seconds};
}

}  // namespace

Ceilings measure_ceilings(const DeviceContext& context, std::span<const Precision> precisions,
                          const std::stop_token& stop) {
  constexpr PeakSizes once = {1U << 16U, {2, 8}, 0.0};
  const PeakSizes sizes = context.sampler.has_timer() ? peak_sizes(context.device) : once;
  std::set<Precision> wanted(precisions.begin(), precisions.end());
  wanted.insert(Precision::fp32);
  Ceilings ceilings;
  ceilings.bytes_per_second = copy_rate(context, sizes, stop);
  for (const Precision precision : wanted) {
    if (!has(context.device, precision)) continue;
    const double reached = flop_rate(context, sizes, precision, stop);
    if (reached > 0.0) ceilings.flop_per_second[precision] = reached;
  }
  return ceilings;
}

}  // namespace graft::bench
