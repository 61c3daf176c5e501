// The whole job, files to files: a first run computes and writes every row, a second finds all of
// them, and training goes 20 epochs over them. GRAFT_BENCH_IMAGES names a folder with one
// sub-folder of photos per class (for example …/train); without it 96 photos of noise are made,
// which decode slower than real ones. The network's values are random: they do not change the time.
//   build/release/bench/bench_job

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "bench/suites/random_network.h"
#include "bench/suites/workplace.h"
#include "engine/backend/backend.h"
#include "engine/features/features.h"
#include "engine/job/job.h"

namespace graft::bench {
namespace {

constexpr int made_photos_per_class = 48;
constexpr int made_side = 300;

void make_photos(const std::filesystem::path& folder) {
  std::mt19937 generator(1);
  for (const char* name : {"one", "two"}) {
    std::filesystem::create_directories(folder / name);
    for (int photo = 0; photo < made_photos_per_class; ++photo) {
      std::ofstream file(folder / name / (std::to_string(photo) + ".ppm"), std::ios::binary);
      file << "P6\n" << made_side << ' ' << made_side << "\n255\n";
      for (int byte = 0; byte < made_side * made_side * 3; ++byte) {
        file.put(static_cast<char>(generator() >> 24U));
      }
    }
  }
}

// One job's folders and settings, shared by the benchmarks below.
struct Recipe {
  Recipe() {
    const char* photos = std::getenv("GRAFT_BENCH_IMAGES");
    config.data.train = photos != nullptr ? photos : workplace.path() / "photos";
    if (photos == nullptr) make_photos(config.data.train);
    config.data.validation_split = 0.25;
    config.data.on_bad_image = OnBadImage::skip;
    config.device = "cpu";
    config.backbone.weights = workplace.path() / "weights.safetensors";
    Vgg16Weights network = random_vgg16();
    network.source = "random values";
    save_vgg16_weights(config.backbone.weights, network);
  }

  void start_in(const std::string& output) {
    config.output = workplace.path() / output;
    std::filesystem::remove_all(config.output);
  }
  double photos() const {
    double rows = 0;
    for (const char* name : {"train", "validation"}) {
      rows +=
          static_cast<double>(FeatureSet::open(config.output / "features", name, 0).view().rows);
    }
    return rows;
  }

  Workplace workplace;
  Config config;
  SilentObserver observer;
};

Recipe& recipe() {
  static Recipe made;
  return made;
}

void extract_anew(benchmark::State& state) {
  Recipe& job = recipe();
  for (auto _ : state) {
    state.PauseTiming();
    job.start_in("anew");
    state.ResumeTiming();
    extract_job(job.config, {}, job.observer, {});
  }
  state.counters["photos/s"] = benchmark::Counter(
      job.photos() * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void extract_again(benchmark::State& state) {
  Recipe& job = recipe();
  job.start_in("again");
  extract_job(job.config, {}, job.observer, {});
  for (auto _ : state) extract_job(job.config, {}, job.observer, {});
}

void train(benchmark::State& state) {
  Recipe& job = recipe();
  job.start_in("train");
  extract_job(job.config, {}, job.observer, {});
  for (auto _ : state) {
    state.PauseTiming();  // a finished run has nothing to train
    std::filesystem::remove(job.config.output / "checkpoint.safetensors");
    state.ResumeTiming();
    train_job(job.config, {}, job.observer, {});
  }
  state.counters["photos"] = job.photos();
}

BENCHMARK(extract_anew)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(extract_again)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(train)->Name("train_20_epochs")->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace graft::bench

BENCHMARK_MAIN();
