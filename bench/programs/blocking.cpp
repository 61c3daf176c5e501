// What winograd_blocking() loses against a search: for each layer of VGG16 at 150×150, batch 16, the
// time with the blocks that it chooses, and with the best of all blocks that make sense, found on
// this machine. A search at each start, or a file of its results for each machine, would be worth
// its code if the sum at the end were more than 3 %.
//   build/release/bench/bench_blocking
//
// The quickest blocks of the search are timed anew, in turn with the chosen ones: times that won a
// search are too short by what luck gave them.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "bench/cpu/vgg16_layers.h"
#include "engine/backend/cpu/aligned_floats.h"
#include "kernels/cpu/winograd_convolution.h"

namespace graft::bench {
namespace {

using cpu::AlignedFloats;
using cpu::WinogradBlocking;
using cpu::WinogradConvolution;

constexpr int rounds = 5;
constexpr int final_rounds = 15;
constexpr std::size_t finalists = 4;

struct Contender {
  WinogradBlocking blocking;
  double milliseconds = 1e9;  // an image: the least so far
};

std::string name(const WinogradBlocking& blocking) {
  return std::to_string(blocking.tiles) + " tiles × " + std::to_string(blocking.outputs) +
         (blocking.by_channels ? ", by channels" : ", by tiles");
}

class Layer {
 public:
  Layer(const NamedLayer& layer, const cpu::KernelTable& kernels, cpu::ThreadPool& threads)
      : layer_(layer), kernels_(kernels), threads_(threads) {
    const cpu::ConvolutionShape& s = layer.shape;
    from_ = s.height * s.width * s.inputs + cpu::channel_block;
    to_ = s.output_height() * s.output_width() * s.outputs + cpu::channel_block;
    images_ = images_of(s);
    input_ = AlignedFloats(images_ * from_);
    output_ = AlignedFloats(images_ * to_);
    bias_ = AlignedFloats(s.outputs);
    weights_ = AlignedFloats(make(chosen()).weights_size());
  }

  WinogradBlocking chosen() const {
    return cpu::winograd_blocking(layer_.shape, kernels_, threads_.threads());
  }

  void time(Contender& contender) {
    const WinogradConvolution convolution = make(contender.blocking);
    AlignedFloats scratch(convolution.scratch_size(threads_.threads()));
    const cpu::FeatureMaps planes{images_, input_.data(), from_, output_.data(), to_};
    for (int run = 0; run < 2; ++run) {  // the first one warms up
      const auto start = std::chrono::steady_clock::now();
      convolution.run(threads_, weights_.data(), bias_.data(), planes, scratch.data());
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      if (run > 0) {
        contender.milliseconds =
            std::min(contender.milliseconds, 1e3 * took.count() / static_cast<double>(images_));
      }
    }
  }

  std::vector<Contender> contenders() const {
    std::vector<Contender> all;
    for (const std::size_t tiles : {12U, 24U, 42U, 84U, 168U}) {
      const std::size_t whole = (tiles + kernels_.gemm_rows - 1) / kernels_.gemm_rows;
      for (const std::size_t outputs : {32U, 64U, 128U}) {
        if (outputs > layer_.shape.outputs) continue;
        for (const bool by_channels : {false, true}) {
          all.push_back({{whole * kernels_.gemm_rows, outputs, by_channels}});
        }
      }
    }
    return all;
  }

 private:
  WinogradConvolution make(const WinogradBlocking& blocking) const {
    return {kernels_, layer_.shape, cpu::TileGoal::many_images, blocking};
  }

  const NamedLayer& layer_;
  const cpu::KernelTable& kernels_;
  cpu::ThreadPool& threads_;
  std::size_t images_ = 0, from_ = 0, to_ = 0;
  AlignedFloats input_, output_, bias_, weights_;
};

// The quickest of all blocks: the quickest few of a first pass meet in rounds.
WinogradBlocking quickest(Layer& layer) {
  std::vector<Contender> all = layer.contenders();
  for (Contender& contender : all) layer.time(contender);
  std::ranges::sort(all, {}, &Contender::milliseconds);
  all.resize(std::min(all.size(), finalists));
  for (int round = 0; round < rounds; ++round) {
    for (Contender& contender : all) layer.time(contender);
  }
  return std::ranges::min_element(all, {}, &Contender::milliseconds)->blocking;
}

void compare(cpu::Isa isa) {
  const cpu::KernelTable& kernels = cpu::kernels_for(isa);
  cpu::ThreadPool threads(cpu::available_cores());
  std::printf("%s, %zu threads, ms an image\n", std::string(cpu::name_of(isa)).c_str(),
              threads.threads());
  double chosen_sum = 0, best_sum = 0;
  for (const NamedLayer& named : vgg16_layers_of_150) {
    Layer layer(named, kernels, threads);
    Contender chosen{layer.chosen()}, best{quickest(layer)};
    for (int round = 0; round < final_rounds; ++round) {
      layer.time(chosen);
      layer.time(best);
    }
    std::printf("  %-13s chosen %6.3f (%s), found by search %6.3f (%s): %+.1f %%\n", named.name,
                chosen.milliseconds, name(chosen.blocking).c_str(), best.milliseconds,
                name(best.blocking).c_str(), 100 * (chosen.milliseconds / best.milliseconds - 1));
    chosen_sum += chosen.milliseconds;
    best_sum += best.milliseconds;
  }
  std::printf("  all           chosen %6.3f, found by search %6.3f: %+.1f %%\n", chosen_sum,
              best_sum, 100 * (chosen_sum / best_sum - 1));
}

}  // namespace
}  // namespace graft::bench

int main() {
  for (const graft::cpu::Isa isa : {graft::cpu::Isa::avx2, graft::cpu::Isa::avx512}) {
    if (graft::cpu::supports(isa)) graft::bench::compare(isa);
  }
  return 0;
}
