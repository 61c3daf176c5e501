// Each kernel of the backbone, per Isa, beside its naive twin where that ends in reasonable time.
// FMA: share of the peak of fused multiply-adds; memory: share of the peak of reading memory (above
// 1 the data came from a cache). Both peaks are measured in the same run and printed first; the
// library writes "/s" behind the shares too.
//   build/release/bench/bench_backbone_kernels --benchmark_min_time=0.5

#include <benchmark/benchmark.h>

#include <cstdio>
#include <map>
#include <string>

#include "bench/cpu/peaks.h"
#include "bench/suites/random_network.h"
#include "bench/cpu/vgg16_layers.h"
#include "engine/backend/cpu/aligned_floats.h"
#include "kernels/cpu/gemm_convolution.h"
#include "kernels/cpu/preprocess.h"
#include "kernels/cpu/winograd_convolution.h"
#include "tests/reference/convolution.h"

namespace graft::bench {
namespace {

using cpu::AlignedFloats;
using cpu::ConvolutionShape;
using cpu::Isa;
using cpu::KernelTable;

double memory_peak = 0;                // of all cores
std::map<Isa, double> core_peak;       // of one core
std::map<Isa, double> processor_peak;  // of all cores

AlignedFloats filled(std::size_t count) {
  AlignedFloats values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values.data()[i] = 0.01F * static_cast<float>(i % 101) - 0.5F;
  }
  return values;
}

// Operations and bytes of one iteration.
void report(benchmark::State& state, double operations, double bytes, double peak) {
  const auto iterations = static_cast<double>(state.iterations());
  using benchmark::Counter;
  state.counters["GFLOP/s"] = Counter(operations * iterations * 1e-9, Counter::kIsRate);
  state.counters["GB/s"] = Counter(bytes * iterations * 1e-9, Counter::kIsRate);
  state.counters["FMA"] = Counter(operations * iterations / peak, Counter::kIsRate);
  state.counters["memory"] = Counter(bytes * iterations / memory_peak, Counter::kIsRate);
}

void gemm(benchmark::State& state, Isa isa) {
  const KernelTable& kernels = cpu::kernels_for(isa);
  const std::size_t rows = 6 * 14, columns = 64, depth = static_cast<std::size_t>(state.range(0));
  const AlignedFloats a = filled((rows + 16) * depth), b = filled(columns * depth);
  const AlignedFloats c(rows * columns);
  for (auto _ : state) {
    kernels.gemm({rows, columns, depth, a.data(), b.data(), b.data(), c.data(), columns});
    benchmark::ClobberMemory();
  }
  report(state, 2.0 * rows * columns * static_cast<double>(depth),
         4.0 * static_cast<double>(rows * depth + columns * depth + rows * columns),
         core_peak[isa]);
}

void naive_gemm(benchmark::State& state) {
  const std::size_t rows = 6 * 14, columns = 64, depth = static_cast<std::size_t>(state.range(0));
  const AlignedFloats a = filled(rows * depth), b = filled(columns * depth), c(rows * columns);
  for (auto _ : state) {
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t column = 0; column < columns; ++column) {
        double sum = 0;
        for (std::size_t k = 0; k < depth; ++k) {
          sum += static_cast<double>(a.data()[row * depth + k]) *
                 static_cast<double>(b.data()[k * columns + column]);
        }
        c.data()[row * columns + column] = static_cast<float>(sum);
      }
    }
    benchmark::ClobberMemory();
  }
  report(state, 2.0 * rows * columns * static_cast<double>(depth),
         4.0 * static_cast<double>(rows * depth + columns * depth + rows * columns),
         core_peak[Isa::portable]);
}

// One tile of F(m×m) with its neighbours in cache. Operations are not counted: bytes are the
// measure.
void winograd_input(benchmark::State& state, Isa isa) {
  const auto m = static_cast<std::size_t>(state.range(0));
  constexpr std::size_t channels = 128;
  const AlignedFloats plane = filled(cpu::winograd_max_positions * channels);
  const AlignedFloats target(cpu::winograd_max_positions * channels);
  cpu::WinogradInputTile tile{m, m, {}, {}, cpu::channel_block, channels, 0};
  for (std::size_t p = 0; p < cpu::winograd_max_positions; ++p) {
    tile.pixel[p] = plane.data() + p * channels;
    tile.target[p] = target.data() + p * channels;
  }
  for (auto _ : state) {
    cpu::kernels_for(isa).winograd_input(tile);
    benchmark::ClobberMemory();
  }
  report(state, 0, 8.0 * static_cast<double>((m + 2) * (m + 2) * channels), core_peak[isa]);
}

void winograd_output(benchmark::State& state, Isa isa) {
  const auto m = static_cast<std::size_t>(state.range(0));
  const bool pooled = state.range(1) != 0;
  constexpr std::size_t channels = 64;
  const AlignedFloats products = filled(cpu::winograd_max_positions * channels);
  const AlignedFloats target(cpu::winograd_max_positions * channels), bias(channels);
  cpu::WinogradOutputTile tile{
      m, m, {}, bias.data(), channels, m, m, pooled, target.data(), m * channels, channels, 0};
  for (std::size_t p = 0; p < cpu::winograd_max_positions; ++p) {
    tile.product[p] = products.data() + p * channels;
  }
  for (auto _ : state) {
    cpu::kernels_for(isa).winograd_output(tile);
    benchmark::ClobberMemory();
  }
  const std::size_t values = (m + 2) * (m + 2) + (pooled ? m * m / 4 : m * m);
  report(state, 0, 4.0 * static_cast<double>(values * channels), core_peak[isa]);
}

// One panel of output channels of a layer 128 → N, the unit that a thread takes.
void winograd_weights(benchmark::State& state, Isa isa) {
  constexpr std::size_t inputs = 128;
  const KernelTable& kernels = cpu::kernels_for(isa);
  const AlignedFloats kernel = filled(9 * inputs * kernels.gemm_columns);
  const AlignedFloats packed(cpu::winograd_max_positions * inputs * kernels.gemm_columns);
  for (auto _ : state) {
    kernels.winograd_weights({inputs, kernels.gemm_columns, kernel.data(), packed.data(), 0});
    benchmark::ClobberMemory();
  }
  report(state, 0, 4.0 * static_cast<double>(kernel.size() + packed.size()), core_peak[isa]);
}

void finish(benchmark::State& state, Isa isa) {
  constexpr std::size_t pixels = 64, channels = 128;
  const bool pooled = state.range(0) != 0;
  const AlignedFloats product = filled(4 * pixels * channels), bias(channels);
  const AlignedFloats target(pixels * channels);
  for (auto _ : state) {
    cpu::kernels_for(isa).finish(
        {pixels, channels, product.data(), channels, pooled, bias.data(), target.data(), channels});
    benchmark::ClobberMemory();
  }
  report(state, 0, 4.0 * static_cast<double>((pooled ? 5 : 2) * pixels * channels), core_peak[isa]);
}

void convolution_rgb(benchmark::State& state, Isa isa) {
  constexpr std::size_t side = 150, outputs = 64;
  const AlignedFloats input = filled((side + 2) * (side + 2) * 3), kernel = filled(27 * outputs);
  const AlignedFloats bias(outputs), output(side * side * outputs);
  for (auto _ : state) {
    cpu::kernels_for(isa).convolution_rgb(
        {side, outputs, input.data(), kernel.data(), bias.data(), output.data(), 0, side});
    benchmark::ClobberMemory();
  }
  report(state, 2.0 * 27 * side * side * outputs, 4.0 * side * side * (3 + outputs),
         core_peak[isa]);
}

void naive_convolution_rgb(benchmark::State& state) {
  constexpr std::size_t side = 150, outputs = 64;
  const reference::Plane input{side, side, 3, std::vector<double>(side * side * 3, 0.5)};
  const std::vector<float> kernel(27 * outputs, 0.1F), bias(outputs);
  for (auto _ : state) benchmark::DoNotOptimize(reference::convolution(input, kernel, bias));
  report(state, 2.0 * 27 * side * side * outputs, 8.0 * side * side * (3 + outputs),
         core_peak[Isa::portable]);
}

void preprocess(benchmark::State& state) {
  constexpr std::size_t side = 150;
  const std::vector<std::uint8_t> rgb(side * side * 3, 77);
  const AlignedFloats output((side + 2) * (side + 2) * 3);
  const cpu::PixelTables tables = cpu::caffe_tables();
  for (auto _ : state) {
    cpu::preprocess(tables, {side, side, rgb.data(), output.data()});
    benchmark::ClobberMemory();
  }
  report(state, 0, 15.0 * side * side, core_peak[Isa::portable]);
}

double direct_operations(const ConvolutionShape& s) {
  const std::size_t halving = s.pooled ? 2 : 1;
  return 2.0 * 9 * static_cast<double>(s.output_height() * halving * s.output_width() * halving) *
         static_cast<double>(s.inputs * s.outputs);
}

// A layer on all cores. GFLOP/s counts the operations that a direct convolution needs.
template <typename Layer>
void run_layer(benchmark::State& state, const Layer& layer, std::size_t images, Isa isa) {
  const ConvolutionShape& s = layer.shape();
  cpu::ThreadPool pool(cpu::available_cores());
  const AlignedFloats weights = filled(layer.weights_size()), bias(s.outputs);
  const AlignedFloats scratch(layer.scratch_size(pool.threads()));
  const std::size_t from = s.height * s.width * s.inputs + cpu::channel_block;
  const std::size_t to = s.output_height() * s.output_width() * s.outputs + cpu::channel_block;
  const AlignedFloats input = filled(images * from), output(images * to);
  for (auto _ : state) {
    layer.run(pool, weights.data(), bias.data(), {images, input.data(), from, output.data(), to},
              scratch.data());
  }
  report(state, static_cast<double>(images) * direct_operations(s),
         4.0 * static_cast<double>(images * (from + to) + layer.weights_size()),
         processor_peak[isa]);
  state.counters["time/image"] =
      benchmark::Counter(static_cast<double>(images) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void winograd_layer(benchmark::State& state, const NamedLayer& layer, Isa isa) {
  const KernelTable& kernels = cpu::kernels_for(isa);
  run_layer(state,
            cpu::WinogradConvolution(
                kernels, layer.shape, cpu::TileGoal::many_images,
                cpu::winograd_blocking(layer.shape, kernels, cpu::available_cores())),
            images_of(layer.shape), isa);
}

void gemm_layer(benchmark::State& state, const NamedLayer& layer, Isa isa) {
  run_layer(state, cpu::GemmConvolution(cpu::kernels_for(isa), layer.shape), images_of(layer.shape),
            isa);
}

void naive_layer(benchmark::State& state, const NamedLayer& layer) {
  const ConvolutionShape& s = layer.shape;
  const reference::Plane input{s.height, s.width, s.inputs,
                               std::vector<double>(s.height * s.width * s.inputs, 0.5)};
  const std::vector<float> kernel(9 * s.inputs * s.outputs, 0.1F), bias(s.outputs);
  for (auto _ : state) benchmark::DoNotOptimize(reference::convolution(input, kernel, bias));
  report(state, direct_operations(s), 8.0 * static_cast<double>(input.values.size()),
         core_peak[Isa::portable]);
}

void register_isa(Isa isa) {
  const auto name = [isa](const std::string& kernel) {
    return kernel + "/" + std::string(cpu::name_of(isa));
  };
  const auto add = [&](const std::string& kernel, auto function) {
    return benchmark::RegisterBenchmark(name(kernel).c_str(), function, isa);
  };
  add("gemm", gemm)->ArgName("depth")->Arg(64)->Arg(128)->Arg(256)->Arg(512);
  add("winograd_input", winograd_input)->ArgName("m")->Arg(6)->Arg(5)->Arg(4)->Arg(2);
  add("winograd_output", winograd_output)
      ->ArgNames({"m", "pool"})
      ->Args({6, 0})
      ->Args({6, 1})
      ->Args({5, 0})
      ->Args({4, 1});
  add("winograd_weights", winograd_weights)->Unit(benchmark::kMicrosecond);
  add("finish", finish)->ArgName("pool")->Arg(0)->Arg(1);
  add("convolution_rgb", convolution_rgb)->Unit(benchmark::kMillisecond);
  for (const NamedLayer& layer : vgg16_layers_of_150) {
    benchmark::RegisterBenchmark(name(std::string(layer.name) + "/winograd").c_str(),
                                 winograd_layer, layer, isa)
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
    if (isa == Isa::portable) continue;
    benchmark::RegisterBenchmark(name(std::string(layer.name) + "/gemm").c_str(), gemm_layer, layer,
                                 isa)
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  }
}

void measure_peaks() {
  const std::size_t cores = cpu::available_cores();
  memory_peak = memory_read_peak(cores);
  std::printf("memory, %zu cores: %.1f GB/s read\n", cores, memory_peak * 1e-9);
  for (const Isa isa : cpu::all_isas) {
    if (!cpu::supports(isa)) continue;
    core_peak[isa] = multiply_add_peak(isa, 1);
    processor_peak[isa] = multiply_add_peak(isa, cores);
    std::printf("multiply-add, %s: %.1f GFLOP/s on one core, %.1f on %zu\n",
                std::string(cpu::name_of(isa)).c_str(), core_peak[isa] * 1e-9,
                processor_peak[isa] * 1e-9, cores);
  }
}

void register_all() {
  benchmark::RegisterBenchmark("gemm/naive", naive_gemm)->ArgName("depth")->Arg(64)->Arg(512);
  benchmark::RegisterBenchmark("convolution_rgb/naive", naive_convolution_rgb)
      ->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("block5_conv1/naive", naive_layer, vgg16_layers_of_150[9])
      ->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("preprocess", preprocess);
  for (const Isa isa : cpu::all_isas) {
    if (cpu::supports(isa)) register_isa(isa);
  }
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
