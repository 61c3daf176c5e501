// The frozen network as a whole, per Isa and number of threads: images a second, and the arithmetic
// behind them. `direct GFLOP/s` counts what a direct convolution would need (13.0 GFLOP an image at
// 150×150, without what floor pooling drops); `GFLOP/s` what the matrix products of Winograd's algorithm really do, and `FMA` is the
// share that this has of the machine's peak of multiply-adds with as many threads, measured first in
// the same run. Thread counts are 1, 2, 4 and all, as far as there are cores.
//   build/release/bench/bench_backbone --benchmark_min_time=2

#include <benchmark/benchmark.h>

#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "bench/cpu/peaks.h"
#include "bench/cpu/winograd_work.h"
#include "bench/suites/random_network.h"
#include "engine/backend/cpu/cpu_backend.h"
#include "kernels/cpu/thread_pool.h"

namespace graft::bench {
namespace {

std::map<std::pair<cpu::Isa, std::size_t>, double> multiply_add_peaks;  // by Isa and threads

const Vgg16Weights& weights() {
  static const Vgg16Weights made = random_vgg16();
  return made;
}

void backbone(benchmark::State& state, cpu::Isa isa, std::size_t threads) {
  const auto side = static_cast<std::uint32_t>(state.range(0));
  const auto batch = static_cast<std::size_t>(state.range(1));
  cpu::CpuBackend backend(threads, isa);
  const auto network = backend.make_backbone(weights(), {{side, side}, Preprocess::rescale, batch});
  const HostBuffer images = backend.allocate_host(batch * side * side * 3);
  const HostBuffer features =
      backend.allocate_host(batch * vgg16_feature_shape({side, side}).count() * sizeof(float));
  std::mt19937 generator(1);
  for (std::uint8_t& byte : images.as<std::uint8_t>()) {
    byte = static_cast<std::uint8_t>(generator() >> 24U);
  }
  for (auto _ : state) {
    network->wait(network->submit(images.as<const std::uint8_t>(), batch, features.as<float>()));
  }
  const double done = static_cast<double>(batch) * static_cast<double>(state.iterations());
  const ImageSize size = {side, side};
  const double products =
      winograd_products(size, batch == 1 ? cpu::TileGoal::one_image : cpu::TileGoal::many_images);
  using benchmark::Counter;
  state.counters["images/s"] = Counter(done, Counter::kIsRate);
  state.counters["direct GFLOP/s"] = Counter(done * vgg16_flop(size) * 1e-9, Counter::kIsRate);
  state.counters["GFLOP/s"] = Counter(done * products * 1e-9, Counter::kIsRate);
  state.counters["FMA"] =
      Counter(done * products / multiply_add_peaks.at({isa, threads}), Counter::kIsRate);
}

void make_backbone(benchmark::State& state) {
  cpu::CpuBackend backend(0);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        backend.make_backbone(weights(), {{150, 150}, Preprocess::rescale, 32}));
  }
}

std::set<std::size_t> thread_counts() {
  const std::size_t cores = cpu::available_cores();
  std::set<std::size_t> counts = {cores};
  for (const std::size_t count : {1, 2, 4}) {
    if (count < cores) counts.insert(count);
  }
  return counts;
}

void measure_peaks() {
  for (const cpu::Isa isa : cpu::all_isas) {
    if (!cpu::supports(isa)) continue;
    for (const std::size_t threads : thread_counts()) {
      const double peak = multiply_add_peak(isa, threads);
      multiply_add_peaks[{isa, threads}] = peak;
      std::printf("multiply-add peak, %s, threads: %zu: %.1f GFLOP/s\n",
                  std::string(cpu::name_of(isa)).c_str(), threads, peak * 1e-9);
    }
  }
}

// All sizes on all cores; how the work scales, at one size.
void register_backbone(cpu::Isa isa, std::size_t threads) {
  const std::string name =
      "vgg16/" + std::string(cpu::name_of(isa)) + "/threads:" + std::to_string(threads);
  auto* run = benchmark::RegisterBenchmark(name.c_str(), backbone, isa, threads);
  run->ArgNames({"side", "batch"})->Unit(benchmark::kMillisecond)->UseRealTime();
  if (isa == cpu::Isa::portable) {
    run->Args({150, 4});
    return;
  }
  run->Args({150, 1})->Args({150, 16});
  if (threads == cpu::available_cores()) run->Args({150, 32})->Args({224, 8})->Args({224, 32});
}

void register_all() {
  for (const cpu::Isa isa : cpu::all_isas) {
    if (!cpu::supports(isa)) continue;
    for (const std::size_t threads : thread_counts()) register_backbone(isa, threads);
  }
  benchmark::RegisterBenchmark("make_backbone", make_backbone)
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

}  // namespace
}  // namespace graft::bench

int main(int count, char** values) {
  benchmark::Initialize(&count, values);
  if (benchmark::ReportUnrecognizedArguments(count, values)) return 2;
  graft::bench::measure_peaks();
  graft::bench::register_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
