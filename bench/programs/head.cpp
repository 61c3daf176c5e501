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

#include "bench/cpu/peaks.h"
#include "bench/suites/random_network.h"
#include "engine/backend/cpu/aligned_floats.h"
#include "engine/backend/cpu/cpu_head.h"
#include "kernels/cpu/cross_entropy.h"
#include "tests/reference/naive_head_ops.h"

namespace graft::bench {
namespace {

using cpu::AlignedFloats;
using cpu::Isa;

constexpr std::size_t inputs = 8192;
constexpr std::size_t units = 256;
constexpr std::size_t batch = 16;
constexpr std::size_t weights = inputs * units;
constexpr cpu::Rmsprop rmsprop = {1e-3F, 0.9F, 0.1F, 1e-7F, true};
constexpr RandomStream stream = {1, RandomPurpose::dropout, 0, 0};

std::map<std::size_t, double> memory_peak;                    // threads →
std::map<std::pair<Isa, std::size_t>, double> multiply_peak;  // Isa, threads →

AlignedFloats filled(std::size_t count, float scale) {
  AlignedFloats values(count);
  const std::vector<float> normal = normal_values(count, 1, scale);
  std::copy(normal.begin(), normal.end(), values.data());
  return values;
}

void report(benchmark::State& state, Isa isa, std::size_t threads, double operations,
            double bytes) {
  using benchmark::Counter;
  const auto iterations = static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = Counter(operations * iterations * 1e-9, Counter::kIsRate);
  state.counters["GB/s"] = Counter(bytes * iterations * 1e-9, Counter::kIsRate);
  state.counters["FMA"] =
      Counter(operations * iterations / multiply_peak.at({isa, threads}), Counter::kIsRate);
  state.counters["memory"] =
      Counter(bytes * iterations / memory_peak.at(threads), Counter::kIsRate);
}

void pack_rows(benchmark::State& state, Isa isa) {
  const AlignedFloats features = filled(batch * inputs, 1.0F);
  const AlignedFloats packed(batch * inputs);
  std::vector<const float*> rows;
  for (std::size_t r = 0; r < batch; ++r) rows.push_back(features.data() + r * inputs);
  for (auto _ : state) {
    for (std::size_t first = 0; first < inputs; first += cpu::dense_chunk) {
      cpu::kernels_for(isa).pack_rows(rows.data(), batch, first, cpu::dense_chunk,
                                      packed.data() + first * batch);
    }
    benchmark::ClobberMemory();
  }
  report(state, isa, 1, 0.0, 8.0 * batch * inputs);
}

void dense_forward(benchmark::State& state, Isa isa) {
  const AlignedFloats packed = filled(batch * inputs, 1.0F);
  const AlignedFloats kernel = filled(weights, 0.02F);
  const AlignedFloats sums(inputs / cpu::dense_chunk * batch * units);
  for (auto _ : state) {
    for (std::size_t first = 0; first < inputs; first += cpu::dense_chunk) {
      cpu::kernels_for(isa).dense_forward(
          {.packed = packed.data() + first * batch,
           .rows = batch,
           .count = cpu::dense_chunk,
           .kernel = kernel.data() + first * units,
           .units = units,
           .sums = sums.data() + first / cpu::dense_chunk * batch * units,
           .add = false});
    }
    benchmark::ClobberMemory();
  }
  report(state, isa, 1, 2.0 * batch * weights, 4.0 * weights);
}

void dense_forward_naive(benchmark::State& state) {
  const std::vector<float> values = normal_values(batch * inputs, 1, 1.0F);
  const std::vector<float> kernel = normal_values(weights, 2, 0.02F);
  for (auto _ : state) {
    benchmark::DoNotOptimize(reference::dense(values, kernel, batch, inputs, units));
  }
  report(state, Isa::portable, 1, 2.0 * batch * weights, 4.0 * weights);
}

void sum_chunks(benchmark::State& state, Isa isa) {
  constexpr std::size_t chunks = inputs / cpu::dense_chunk;
  const AlignedFloats sums = filled(chunks * batch * units, 1.0F);
  const AlignedFloats bias = filled(units, 1.0F);
  const AlignedFloats values(batch * units);
  for (auto _ : state) {
    for (std::size_t row = 0; row < batch; ++row) {
      cpu::kernels_for(isa).sum_chunks(sums.data() + row * units, chunks, batch * units,
                                       bias.data(), units, values.data() + row * units);
    }
    benchmark::ClobberMemory();
  }
  report(state, isa, 1, 0.0, 4.0 * (chunks + 2) * batch * units);
}

void relu_dropout(benchmark::State& state, Isa isa) {
  const AlignedFloats values = filled(batch * units, 1.0F);
  const cpu::Dropout dropout = {stream, cpu::dropout_threshold(0.5), 1.0F};
  for (auto _ : state) {
    cpu::kernels_for(isa).relu_dropout(values.data(), batch * units, 0, dropout);
    benchmark::ClobberMemory();
  }
  report(state, isa, 1, 0.0, 8.0 * batch * units);
}

void relu_dropout_naive(benchmark::State& state) {
  const std::vector<float> values = normal_values(batch * units, 1, 1.0F);
  for (auto _ : state) {
    benchmark::DoNotOptimize(reference::relu_dropout(values, stream, 0.5, 0));
  }
  report(state, Isa::portable, 1, 0.0, 8.0 * batch * units);
}

void relu_dropout_backward(benchmark::State& state, Isa isa) {
  const AlignedFloats gradient = filled(batch * units, 1.0F);
  const AlignedFloats outputs = filled(batch * units, 1.0F);
  for (auto _ : state) {
    cpu::kernels_for(isa).relu_dropout_backward(gradient.data(), outputs.data(), batch * units,
                                                1.0F);
    benchmark::ClobberMemory();
  }
  report(state, isa, 1, 0.0, 12.0 * batch * units);
}

void bias_update(benchmark::State& state, Isa isa) {
  const AlignedFloats delta = filled(batch * units, 0.01F);
  const AlignedFloats bias = filled(units, 0.1F), mean_square(units);
  for (auto _ : state) {
    cpu::kernels_for(isa).bias_update(delta.data(), batch, units, rmsprop, bias.data(),
                                      mean_square.data());
    benchmark::ClobberMemory();
  }
  report(state, isa, 1, 0.0, 4.0 * (batch + 4) * units);
}

// Of 16 rows, the loss and its gradient: the same code on every processor.
void cross_entropy(benchmark::State& state) {
  const auto classes = static_cast<std::size_t>(state.range(0));
  const std::size_t outputs = classes == 2 ? 1 : classes;
  const AlignedFloats logits = filled(batch * outputs, 1.0F);
  const AlignedFloats gradient(batch * outputs);
  const std::vector<std::uint32_t> labels(batch, 1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        classes == 2
            ? cpu::sigmoid_cross_entropy(logits.data(), labels.data(), batch, gradient.data())
            : cpu::softmax_cross_entropy(logits.data(), labels.data(), batch, classes,
                                         gradient.data()));
  }
  report(state, Isa::portable, 1, 0.0, 8.0 * static_cast<double>(batch * outputs));
}

void dense_backward_input(benchmark::State& state, Isa isa) {
  const auto outputs = static_cast<std::size_t>(state.range(0));
  const AlignedFloats delta = filled(batch * outputs, 1.0F);
  const AlignedFloats kernel = filled(units * outputs, 1.0F);
  const AlignedFloats gradient(batch * units);
  for (auto _ : state) {
    cpu::kernels_for(isa).dense_backward_input(delta.data(), batch, outputs, kernel.data(), units,
                                               gradient.data(), units);
    benchmark::ClobberMemory();
  }
  report(state, isa, 1, 2.0 * batch * static_cast<double>(units * outputs),
         4.0 * static_cast<double>(units * outputs));
}

void dense_backward_input_naive(benchmark::State& state) {
  const auto outputs = static_cast<std::size_t>(state.range(0));
  const std::vector<float> delta = normal_values(batch * outputs, 1, 1.0F);
  const std::vector<float> kernel = normal_values(units * outputs, 2, 1.0F);
  for (auto _ : state) {
    benchmark::DoNotOptimize(reference::dense_backward_input(delta, kernel, batch, units, outputs));
  }
  report(state, Isa::portable, 1, 2.0 * batch * static_cast<double>(units * outputs),
         4.0 * static_cast<double>(units * outputs));
}

void dense_update(benchmark::State& state, Isa isa) {
  const AlignedFloats packed = filled(batch * inputs, 1.0F);
  const AlignedFloats delta = filled(batch * units, 0.01F);
  const AlignedFloats kernel = filled(weights, 0.02F);
  const AlignedFloats mean_square(weights);
  for (auto _ : state) {
    for (std::size_t first = 0; first < inputs; first += cpu::dense_chunk) {
      cpu::kernels_for(isa).dense_update({.packed = packed.data() + first * batch,
                                          .delta = delta.data(),
                                          .rows = batch,
                                          .count = cpu::dense_chunk,
                                          .units = units,
                                          .kernel = kernel.data() + first * units,
                                          .mean_square = mean_square.data() + first * units},
                                         rmsprop);
    }
    benchmark::ClobberMemory();
  }
  report(state, isa, 1, 2.0 * batch * weights, 16.0 * weights);
}

void dense_update_naive(benchmark::State& state) {
  const std::vector<float> values = normal_values(batch * inputs, 1, 1.0F);
  const std::vector<float> delta = normal_values(batch * units, 2, 0.01F);
  reference::Parameters old = {normal_values(weights, 3, 0.02F), std::vector<float>(weights)};
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        reference::dense_update(old, values, delta, batch, inputs, units, rmsprop));
  }
  report(state, Isa::portable, 1, 2.0 * batch * weights, 16.0 * weights);
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
  report(state, isa, threads, 4.0 * batch * weights, 20.0 * weights);
}

void evaluation(benchmark::State& state, Isa isa) {
  const auto threads = static_cast<std::size_t>(state.range(0));
  Job job(isa, threads);
  for (auto _ : state) benchmark::DoNotOptimize(job.head->evaluate(job.view(), job.labels));
  report(state, isa, threads, 2.0 * Job::images * weights, 4.0 * Job::images * inputs);
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

void add(const std::string& op, Isa isa, void (*run)(benchmark::State&, Isa)) {
  const std::string name = op + "/" + std::string(cpu::name_of(isa));
  benchmark::RegisterBenchmark(name.c_str(), run, isa)->Unit(benchmark::kMicrosecond);
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
  benchmark::RegisterBenchmark("cross_entropy", cross_entropy)
      ->ArgName("classes")
      ->Arg(2)
      ->Arg(10)
      ->Unit(kMicrosecond);
  benchmark::RegisterBenchmark("dense_update/naive", dense_update_naive)->Unit(kMicrosecond);
  for (const Isa isa : cpu::all_isas) {
    if (!cpu::supports(isa)) continue;
    const std::string unit(cpu::name_of(isa));
    add("pack_rows", isa, pack_rows);
    add("dense_forward", isa, dense_forward);
    add("sum_chunks", isa, sum_chunks);
    add("relu_dropout", isa, relu_dropout);
    benchmark::RegisterBenchmark(("dense_backward_input/" + unit).c_str(), dense_backward_input,
                                 isa)
        ->Arg(1)
        ->Arg(256)
        ->Unit(kMicrosecond);
    add("dense_update", isa, dense_update);
    add("relu_dropout_backward", isa, relu_dropout_backward);
    add("bias_update", isa, bias_update);
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
