// The frozen network as a whole: images a second, and what that makes of the multiplications that a
// direct convolution would need (13.2 GFLOP an image at 150×150), which Winograd mostly saves.
//   build/release/bench/bench_backbone --benchmark_min_time=2

#include <benchmark/benchmark.h>

#include <map>
#include <memory>
#include <string>

#include "bench/random_network.h"
#include "engine/backend/cpu/cpu_backend.h"
#include "kernels/cpu/thread_pool.h"

namespace graft::bench {
namespace {

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
  state.counters["images/s"] =
      benchmark::Counter(static_cast<double>(batch) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate);
}

void make_backbone(benchmark::State& state) {
  cpu::CpuBackend backend(0);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        backend.make_backbone(weights(), {{150, 150}, Preprocess::rescale, 32}));
  }
}

void register_all() {
  const std::size_t cores = cpu::available_cores();
  for (const cpu::Isa isa : cpu::all_isas) {
    if (!cpu::supports(isa)) continue;
    for (const std::size_t threads : {std::size_t{1}, cores}) {
      if (threads == cores && cores == 1) continue;
      const std::string name =
          "vgg16/" + std::string(cpu::name_of(isa)) + "/threads:" + std::to_string(threads);
      auto* run = benchmark::RegisterBenchmark(name.c_str(), backbone, isa, threads);
      run->ArgNames({"side", "batch"})->Unit(benchmark::kMillisecond)->UseRealTime();
      if (isa == cpu::Isa::portable) {
        run->Args({150, 4});
        continue;
      }
      run->Args({150, 1})->Args({150, 16})->Args({150, 32})->Args({224, 8})->Args({224, 32});
    }
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
  graft::bench::register_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
