// The GPU: each kernel of kernels/cuda that moves planes, as a share of what a copy on the same
// device moves; the frozen network by precision; a training step of the recipe's head.
//   build/release/bench/bench_cuda --benchmark_repetitions=5 --benchmark_report_aggregates_only
// Ends with exit code 5 and a sentence where there is no GPU. On the virtual GPU all of it runs
// once and no time is given.

#include <benchmark/benchmark.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "bench/suites/random_network.h"
#include "engine/backend/backend.h"
#include "engine/base/error.h"
#include "kernels/cuda/bias_relu.h"
#include "kernels/cuda/bias_relu_max_pool.h"
#include "kernels/cuda/cast_features.h"
#include "kernels/cuda/check.h"
#include "kernels/cuda/preprocess.h"
#include "kernels/cuda/rmsprop.h"

namespace graft::bench {
namespace {

bool on_virtual_gpu() {
  return dlsym(RTLD_DEFAULT, "vgpu_error_count") != nullptr;
}
constexpr const char* no_times = "virtual GPU: it ran, no times";

// Device memory of zeros, for a benchmark's life.
class Plane {
 public:
  explicit Plane(std::size_t bytes) {
    void* data = nullptr;
    GRAFT_CUDA_CHECK(cudaMalloc(&data, bytes));
    data_.reset(data);
    GRAFT_CUDA_CHECK(cudaMemset(data, 0, bytes));
  }
  template <typename Value>
  Value* as() const {
    return static_cast<Value*>(data_.get());
  }

 private:
  struct Free {
    void operator()(void* data) const { cudaFree(data); }
  };
  std::unique_ptr<void, Free> data_;
};

class Stopwatch {
 public:
  Stopwatch() {
    GRAFT_CUDA_CHECK(cudaEventCreate(&begin_));
    GRAFT_CUDA_CHECK(cudaEventCreate(&end_));
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  double seconds(const std::function<void()>& work) {
    GRAFT_CUDA_CHECK(cudaEventRecord(begin_, nullptr));
    work();
    GRAFT_CUDA_CHECK(cudaEventRecord(end_, nullptr));
    GRAFT_CUDA_CHECK(cudaEventSynchronize(end_));
    float milliseconds = 0.0F;
    GRAFT_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, begin_, end_));
    return milliseconds * 1e-3;
  }

 private:
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

// Times `launch`, which moves `bytes`, by events around it alone.
void time_kernel(benchmark::State& state, double bytes, const std::function<void()>& launch) {
  launch();  // loads the module
  GRAFT_CUDA_CHECK(cudaDeviceSynchronize());
  if (on_virtual_gpu()) {
    state.SkipWithError(no_times);
    return;
  }
  Stopwatch stopwatch;
  for (auto _ : state) state.SetIterationTime(stopwatch.seconds(launch));
  state.counters["GB/s"] = benchmark::Counter(
      bytes * static_cast<double>(state.iterations()) * 1e-9, benchmark::Counter::kIsRate);
}

// What block 1 leaves of a batch at 150×150. Beyond every L2 but the largest on a real device.
std::size_t batch() {
  return on_virtual_gpu() ? 1 : 64;
}
std::size_t pixels() {
  return batch() * 150 * 150;
}
constexpr std::size_t channels = 64;

void copy(benchmark::State& state) {
  const std::size_t bytes = pixels() * channels * sizeof(float);
  const Plane from(bytes), to(bytes);
  time_kernel(state, 2.0 * static_cast<double>(bytes), [&] {
    GRAFT_CUDA_CHECK(
        cudaMemcpyAsync(to.as<void>(), from.as<void>(), bytes, cudaMemcpyDeviceToDevice, nullptr));
  });
}

template <typename T>
void bias_relu(benchmark::State& state) {
  const std::size_t count = pixels() * channels;
  const Plane values(count * sizeof(T)), bias(channels * sizeof(float));
  time_kernel(state, 2.0 * static_cast<double>(count * sizeof(T)), [&] {
    cuda::bias_relu(values.as<T>(), bias.as<float>(), pixels(), channels, nullptr);
  });
}

template <typename T>
void bias_relu_max_pool(benchmark::State& state) {
  const std::size_t count = pixels() * channels;
  const Plane in(count * sizeof(T)), out(count / 4 * sizeof(T)), bias(channels * sizeof(float));
  time_kernel(state, 1.25 * static_cast<double>(count * sizeof(T)), [&] {
    cuda::bias_relu_max_pool(out.as<T>(), in.as<T>(), bias.as<float>(),
                             {batch(), 150, 150, channels}, nullptr);
  });
}

template <typename T>
void preprocess(benchmark::State& state) {
  constexpr std::size_t out_channels = 16 / sizeof(T);
  const Plane rgb(pixels() * 3), out(pixels() * 16), tables(3 * 256 * sizeof(float));
  time_kernel(state, 19.0 * static_cast<double>(pixels()), [&] {
    cuda::preprocess(out.as<T>(), rgb.as<std::uint8_t>(), {tables.as<float>(), {0, 1, 2}}, pixels(),
                     out_channels, nullptr);
  });
}

template <typename T>
void cast_features(benchmark::State& state) {
  const std::size_t count = pixels() * channels / 4;
  const Plane in(count * sizeof(T)), out(count * sizeof(float));
  time_kernel(state, static_cast<double>(count) * (sizeof(T) + sizeof(float)),
              [&] { cuda::cast_features(out.as<float>(), in.as<T>(), count, nullptr); });
}

void rmsprop(benchmark::State& state) {
  const std::size_t count = on_virtual_gpu() ? 8192 : std::size_t{8192} * 256;
  const Plane parameters(count * 4), mean_squares(count * 4), gradients(count * 4);
  const cuda::ParameterTensor tensor{parameters.as<float>(), mean_squares.as<float>(),
                                     gradients.as<float>(), count};
  time_kernel(state, 20.0 * static_cast<double>(count), [&] {
    cuda::rmsprop({&tensor, 1}, {1e-3F, 0.9F, 0.1F, 1e-7F, true}, nullptr);
  });
}

// Batches follow one another as they do in a run: copies of one hide behind the work of another.
void backbone(benchmark::State& state, Backend& backend, Precision precision) {
  const auto side = static_cast<std::uint32_t>(on_virtual_gpu() ? 32 : state.range(0));
  const auto images_of_batch = static_cast<std::size_t>(on_virtual_gpu() ? 1 : state.range(1));
  BackboneOptions options;
  options.image_size = {side, side};
  options.batch_size = images_of_batch;
  options.precision = precision;
  const auto network = backend.make_backbone(random_vgg16(), options);
  const std::size_t values = vgg16_feature_shape({side, side}).count();
  std::vector<HostBuffer> images, features;
  std::vector<Backbone::Ticket> tickets(backend.batches_in_flight());
  for (std::size_t i = 0; i < tickets.size(); ++i) {
    images.push_back(backend.allocate_host(images_of_batch * side * side * 3));
    features.push_back(backend.allocate_host(images_of_batch * values * sizeof(float)));
    const std::span<std::uint8_t> bytes = images.back().as<std::uint8_t>();
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
  }
  std::size_t submitted = 0;
  const auto submit = [&] {
    const std::size_t slot = submitted++ % tickets.size();
    if (submitted > tickets.size()) network->wait(tickets[slot]);
    tickets[slot] = network->submit(images[slot].as<const std::uint8_t>(), images_of_batch,
                                    features[slot].as<float>());
  };
  for (std::size_t i = 0; i < tickets.size(); ++i) submit();
  if (on_virtual_gpu()) {
    network->wait(tickets.back());
    state.SkipWithError(no_times);
    return;
  }
  for (auto _ : state) submit();
  for (const Backbone::Ticket ticket : tickets) network->wait(ticket);
  state.counters["images/s"] = benchmark::Counter(
      static_cast<double>(images_of_batch) * static_cast<double>(state.iterations()),
      benchmark::Counter::kIsRate);
}

// The recipe's step, 8192→256→1. The host waits for the device once a hundred steps.
void training_step(benchmark::State& state, Backend& backend) {
  constexpr std::size_t rows = 256, inputs = 8192, units = 256, images_of_batch = 16;
  HeadOptions options;
  options.inputs = inputs;
  options.hidden = {units};
  options.batch_size = images_of_batch;
  const auto head = backend.make_head(options);
  HeadState start;
  start.parameters.push_back(
      {inputs, units, normal_values(inputs * units, 1, 0.01F), std::vector<float>(units)});
  start.parameters.push_back({units, 1, normal_values(units, 2, 0.1F), std::vector<float>(1)});
  head->set_state(start);
  const std::vector<float> features = normal_values(rows * inputs, 3, 1.0F);
  std::vector<std::uint32_t> labels(rows);
  for (std::size_t row = 0; row < rows; ++row) labels[row] = row % 2;
  head->set_training_data({features.data(), rows, inputs}, labels);
  std::vector<std::uint32_t> picked(images_of_batch);
  std::uint64_t step = 0;
  const auto run_steps = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i, ++step) {
      std::iota(picked.begin(), picked.end(),
                static_cast<std::uint32_t>(step * images_of_batch % (rows - images_of_batch)));
      head->train_step(picked, step);
    }
    benchmark::DoNotOptimize(head->take_totals());
  };
  run_steps(1);
  if (on_virtual_gpu()) {
    state.SkipWithError(no_times);
    return;
  }
  constexpr std::size_t steps = 100;
  for (auto _ : state) run_steps(steps);
  state.counters["steps/s"] =
      benchmark::Counter(static_cast<double>(steps) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate);
}

void register_all(Backend& backend) {
  const auto kernel = [](const char* name, void (*run)(benchmark::State&)) {
    benchmark::RegisterBenchmark(name, run)->UseManualTime()->Unit(benchmark::kMicrosecond);
  };
  kernel("copy", copy);
  kernel("preprocess/float", preprocess<float>);
  kernel("preprocess/half", preprocess<__half>);
  kernel("bias_relu/float", bias_relu<float>);
  kernel("bias_relu/half", bias_relu<__half>);
  kernel("bias_relu_max_pool/float", bias_relu_max_pool<float>);
  kernel("bias_relu_max_pool/half", bias_relu_max_pool<__half>);
  kernel("cast_features/half", cast_features<__half>);
  kernel("rmsprop", rmsprop);
  for (const Precision precision :
       {Precision::fp32, Precision::tf32, Precision::fp16, Precision::bf16}) {
    const std::string name = "vgg16/" + std::string(name_of(precision));
    benchmark::RegisterBenchmark(
        name.c_str(),
        [&backend, precision](benchmark::State& state) { backbone(state, backend, precision); })
        ->ArgNames({"side", "batch"})
        ->Args({150, 16})
        ->Args({150, 128})
        ->Args({224, 32})
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  }
  benchmark::RegisterBenchmark(
      "training_step_x100", [&backend](benchmark::State& state) { training_step(state, backend); })
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

}  // namespace
}  // namespace graft::bench

int main(int count, char** values) {
  benchmark::Initialize(&count, values);
  if (benchmark::ReportUnrecognizedArguments(count, values)) return 2;
  try {
    const auto backend = graft::make_backend("cuda", 0);
    std::printf("%s\n", backend->description().c_str());
    graft::bench::register_all(*backend);
    benchmark::RunSpecifiedBenchmarks();
  } catch (const graft::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.kind());
  }
  benchmark::Shutdown();
  return 0;
}
