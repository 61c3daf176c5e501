// Each kernel of the backbone, per Isa, beside its naive twin where that ends in reasonable time.
// FMA: share of the peak of fused multiply-adds; memory: share of the peak of reading memory (above
// 1 the data came from a cache). Both peaks are measured in the same run and printed first; the
// library writes "/s" behind the shares too.
//   build/release/bench/bench_backbone_kernels --benchmark_min_time=0.5

#include <benchmark/benchmark.h>

#include <cstdio>
#include <map>
#include <string>

#include "bench/cpu/filled.h"
#include "bench/cpu/kernel_work.h"
#include "bench/cpu/peaks.h"
#include "bench/cpu/vgg16_layers.h"
#include "bench/programs/kernel_program.h"
#include "engine/backend/cpu/aligned_floats.h"
#include "kernels/cpu/gemm_convolution.h"
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
         {core_peak[Isa::portable], memory_peak});
}

void naive_convolution_rgb(benchmark::State& state) {
  constexpr std::size_t side = 150, outputs = 64;
  const reference::FeatureMap input{side, side, 3, std::vector<double>(side * side * 3, 0.5)};
  const std::vector<float> kernel(27 * outputs, 0.1F), bias(outputs);
  for (auto _ : state) benchmark::DoNotOptimize(reference::convolution(input, kernel, bias));
  report(state, 2.0 * 27 * side * side * outputs, 8.0 * side * side * (3 + outputs),
         {core_peak[Isa::portable], memory_peak});
}

double direct_operations(const ConvolutionShape& s) {
  const std::size_t halving = s.pooled ? 2 : 1;
  return 2.0 * 9 * static_cast<double>(s.output_height() * halving * s.output_width() * halving) *
         static_cast<double>(s.inputs * s.outputs);
}

// A layer on all cores. GFLOP/s counts the operations that a direct convolution needs.
template <typename Layer>
void run_layer(benchmark::State& state, const Layer& layer, const ConvolutionShape& s,
               std::size_t images, Isa isa) {
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
         {processor_peak[isa], memory_peak});
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
            layer.shape, images_of(layer.shape), isa);
}

void gemm_layer(benchmark::State& state, const NamedLayer& layer, Isa isa) {
  run_layer(state, cpu::GemmConvolution(cpu::kernels_for(isa), layer.shape), layer.shape,
            images_of(layer.shape), isa);
}

void naive_layer(benchmark::State& state, const NamedLayer& layer) {
  const ConvolutionShape& s = layer.shape;
  const reference::FeatureMap input{s.height, s.width, s.inputs,
                                    std::vector<double>(s.height * s.width * s.inputs, 0.5)};
  const std::vector<float> kernel(9 * s.inputs * s.outputs, 0.1F), bias(s.outputs);
  for (auto _ : state) benchmark::DoNotOptimize(reference::convolution(input, kernel, bias));
  report(state, direct_operations(s), 8.0 * static_cast<double>(input.values.size()),
         {core_peak[Isa::portable], memory_peak});
}

void register_isa(Isa isa) {
  const auto name = [isa](const std::string& kernel) {
    return kernel + "/" + std::string(cpu::name_of(isa));
  };
  register_kernels(backbone_kernels(isa, {.sizes = {{150, 150}}}), std::string(cpu::name_of(isa)),
                   {core_peak[isa], memory_peak});
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
