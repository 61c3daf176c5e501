// The head: each op per Isa beside its naive twin, at the recipe's shapes (8192 inputs, 256 units,
// batch 16), and the whole training step and evaluation of 800 rows by Isa and number of threads.
// FMA: share of the peak of fused multiply-adds of the threads used; memory: the same of reading
// memory (above 1 the data came from a cache). Both peaks are measured at the start; the library
// writes "/s" behind the shares too.
//   build/release/bench/bench_head --benchmark_repetitions=5 --benchmark_report_aggregates_only

#include <benchmark/benchmark.h>

#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "bench/cpu/kernel_work.h"
#include "bench/cpu/peaks.h"
#include "bench/programs/kernel_program.h"
#include "bench/suites/random_network.h"
#include "engine/backend/cpu/cpu_head.h"
#include "tests/reference/head_ops.h"

namespace graft::bench {
namespace {

using cpu::Isa;

constexpr std::size_t inputs = 8192;
constexpr std::size_t units = 256;
constexpr std::size_t batch = 16;
constexpr std::size_t weights = inputs * units;
constexpr Rmsprop rmsprop = {1e-3F, 0.9F, 0.1F, 1e-7F, true};
constexpr RandomStream stream = {1, RandomPurpose::dropout, 0, 0};

std::map<std::size_t, double> memory_peak;                    // threads →
std::map<std::pair<Isa, std::size_t>, double> multiply_peak;  // Isa, threads →

Peaks peaks_of(Isa isa, std::size_t threads) {
  return {multiply_peak.at({isa, threads}), memory_peak.at(threads)};
}

void dense_forward_naive(benchmark::State& state) {
  const std::vector<float> values = normal_values(batch * inputs, 1, 1.0F);
  const std::vector<float> kernel = normal_values(weights, 2, 0.02F);
  for (auto _ : state) {
    benchmark::DoNotOptimize(reference::dense(values, kernel, batch, inputs, units));
  }
  report(state, 2.0 * batch * weights, 4.0 * weights, peaks_of(Isa::portable, 1));
}

void relu_dropout_naive(benchmark::State& state) {
  const std::vector<float> values = normal_values(batch * units, 1, 1.0F);
  for (auto _ : state) {
    benchmark::DoNotOptimize(reference::relu_dropout(values, stream, 0.5, 0));
  }
  report(state, 0.0, 8.0 * batch * units, peaks_of(Isa::portable, 1));
}

void dense_backward_input_naive(benchmark::State& state) {
  const auto outputs = static_cast<std::size_t>(state.range(0));
  const std::vector<float> delta = normal_values(batch * outputs, 1, 1.0F);
  const std::vector<float> kernel = normal_values(units * outputs, 2, 1.0F);
  for (auto _ : state) {
    benchmark::DoNotOptimize(reference::dense_backward_input(delta, kernel, batch, units, outputs));
  }
  report(state, 2.0 * batch * static_cast<double>(units * outputs),
         4.0 * static_cast<double>(units * outputs), peaks_of(Isa::portable, 1));
}

void dense_update_naive(benchmark::State& state) {
  const std::vector<float> values = normal_values(batch * inputs, 1, 1.0F);
  const std::vector<float> delta = normal_values(batch * units, 2, 0.01F);
  reference::Parameters old = {normal_values(weights, 3, 0.02F), std::vector<float>(weights)};
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        reference::dense_update(old, values, delta, batch, inputs, units, rmsprop));
  }
  report(state, 2.0 * batch * weights, 16.0 * weights, peaks_of(Isa::portable, 1));
}

// A head on features of 800 images, more than most caches hold beside the weights.
struct Job {
  Job(Isa isa, std::size_t threads) : pool(threads) {
    HeadOptions options;
    options.inputs = inputs;
    options.hidden = {units};
    options.batch_size = batch;
    head = cpu::make_cpu_head(options, pool, cpu::kernels_for(isa));
    head->set_state({{{inputs, units, normal_values(weights, 1, 0.02F), std::vector<float>(units)},
                      {units, 1, normal_values(units, 2, 0.1F), std::vector<float>(1)}},
                     {}});
    features = normal_values(images * inputs, 3, 1.0F);
    for (std::size_t i = 0; i < images; ++i) labels.push_back(static_cast<std::uint32_t>(i % 2));
  }
  static constexpr std::size_t images = 800;
  FeatureView view() const { return {features.data(), images, inputs}; }

  cpu::ThreadPool pool;
  std::vector<float> features;
  std::vector<std::uint32_t> labels;
  std::unique_ptr<Head> head;
};

void training_step(benchmark::State& state, Isa isa) {
  const auto threads = static_cast<std::size_t>(state.range(0));
  Job job(isa, threads);
  job.head->set_training_data(job.view(), job.labels);
  std::vector<std::uint32_t> rows(batch);
  std::uint64_t step = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < batch; ++i) {
      rows[i] = static_cast<std::uint32_t>((step * batch + i) * 37 % Job::images);
    }
    job.head->train_step(rows, step++);
  }
  report(state, 4.0 * batch * weights, 20.0 * weights, peaks_of(isa, threads));
}

void evaluation(benchmark::State& state, Isa isa) {
  const auto threads = static_cast<std::size_t>(state.range(0));
  Job job(isa, threads);
  for (auto _ : state) benchmark::DoNotOptimize(job.head->evaluate(job.view(), job.labels));
  report(state, 2.0 * Job::images * weights, 4.0 * Job::images * inputs, peaks_of(isa, threads));
}

void measure_peaks(std::size_t threads) {
  memory_peak[threads] = memory_read_peak(threads);
  std::printf("%zu thread(s): memory %.1f GB/s", threads, memory_peak[threads] * 1e-9);
  for (const Isa isa : cpu::all_isas) {
    if (!cpu::supports(isa)) continue;
    multiply_peak[{isa, threads}] = multiply_add_peak(isa, threads);
    std::printf(", %s %.1f GFLOP/s", std::string(cpu::name_of(isa)).c_str(),
                multiply_peak[{isa, threads}] * 1e-9);
  }
  std::printf("\n");
}

void add_all(std::size_t cores) {
  using benchmark::kMicrosecond;
  using benchmark::kMillisecond;
  benchmark::RegisterBenchmark("dense_forward/naive", dense_forward_naive)->Unit(kMicrosecond);
  benchmark::RegisterBenchmark("relu_dropout/naive", relu_dropout_naive)->Unit(kMicrosecond);
  benchmark::RegisterBenchmark("dense_backward_input/naive", dense_backward_input_naive)
      ->Arg(1)
      ->Arg(256)
      ->Unit(kMicrosecond);
  benchmark::RegisterBenchmark("dense_update/naive", dense_update_naive)->Unit(kMicrosecond);
  for (const Isa isa : cpu::all_isas) {
    if (!cpu::supports(isa)) continue;
    const std::string unit(cpu::name_of(isa));
    register_kernels(head_kernels(isa, {.batches = {batch}}), unit, peaks_of(isa, 1));
    auto* step =
        benchmark::RegisterBenchmark(("training_step/" + unit).c_str(), training_step, isa);
    auto* whole =
        benchmark::RegisterBenchmark(("evaluation_of_800/" + unit).c_str(), evaluation, isa);
    for (std::size_t threads = 1; threads <= cores; threads *= 2) {
      step->Arg(static_cast<std::int64_t>(threads));
      whole->Arg(static_cast<std::int64_t>(threads));
    }
    step->ArgName("threads")->UseRealTime()->Unit(kMillisecond);
    whole->ArgName("threads")->UseRealTime()->Unit(kMillisecond);
  }
}

}  // namespace
}  // namespace graft::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const std::size_t cores = graft::cpu::available_cores();
  for (std::size_t threads = 1; threads <= cores; threads *= 2)
    graft::bench::measure_peaks(threads);
  graft::bench::add_all(cores);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
