// What winograd_blocking() loses against a search: for each layer of VGG16 at 150×150, batch 16, the
// time with the blocks that it chooses, and with the best of all blocks that make sense, found on
// this machine. A search at each start, or a file of its results for each machine, would be worth
// its code if the sum at the end were more than 3 %.
//   build/release/bench/bench_blocking
//
// All blocks are timed a few times; the quickest ones and the chosen one then meet in rounds, one
// after the other, because another program that runs for a while would decide otherwise.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "bench/vgg16_layers.h"
#include "engine/backend/cpu/aligned_floats.h"
#include "kernels/cpu/winograd_convolution.h"

namespace graft::bench {
namespace {

using cpu::AlignedFloats;
using cpu::WinogradBlocking;
using cpu::WinogradConvolution;

constexpr std::size_t images = 16;
constexpr int rounds = 9;
constexpr std::size_t finalists = 4;

struct Contender {
  WinogradBlocking blocking;
  double seconds = 1e9;  // the least so far
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
    input_ = AlignedFloats(images * from_);
    output_ = AlignedFloats(images * to_);
    bias_ = AlignedFloats(s.outputs);
    weights_ = AlignedFloats(make(chosen()).weights_size());
  }

  WinogradBlocking chosen() const {
    return cpu::winograd_blocking(layer_.shape, kernels_, threads_.threads());
  }

  void time(Contender& contender) {
    const WinogradConvolution convolution = make(contender.blocking);
    AlignedFloats scratch(convolution.scratch_size(threads_.threads()));
    const cpu::Planes planes{images, input_.data(), from_, output_.data(), to_};
    for (int run = 0; run < 2; ++run) {  // the first one warms up
      const auto start = std::chrono::steady_clock::now();
      convolution.run(threads_, weights_.data(), bias_.data(), planes, scratch.data());
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      if (run > 0) contender.seconds = std::min(contender.seconds, took.count());
    }
  }

  std::vector<Contender> contenders() const {
    std::vector<Contender> all;
    for (const std::size_t tiles : {12U, 24U, 42U, 84U, 168U}) {
      const std::size_t whole = (tiles + kernels_.gemm_rows - 1) / kernels_.gemm_rows;
      for (const std::size_t outputs : {32U, 64U, 128U, 256U}) {
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
  std::size_t from_ = 0, to_ = 0;
  AlignedFloats input_, output_, bias_, weights_;
};

// The chosen blocks first, then the quickest others.
std::vector<Contender> search(Layer& layer) {
  std::vector<Contender> all = layer.contenders();
  for (Contender& contender : all) layer.time(contender);
  std::ranges::sort(all, {}, &Contender::seconds);
  all.resize(std::min(all.size(), finalists));
  all.insert(all.begin(), Contender{layer.chosen()});
  for (int round = 0; round < rounds; ++round) {
    for (Contender& contender : all) layer.time(contender);
  }
  return all;
}

void compare(cpu::Isa isa) {
  const cpu::KernelTable& kernels = cpu::kernels_for(isa);
  cpu::ThreadPool threads(cpu::available_cores());
  std::printf("%s, %zu threads, ms an image\n", std::string(cpu::name_of(isa)).c_str(),
              threads.threads());
  double chosen_sum = 0, best_sum = 0;
  for (const NamedLayer& named : vgg16_layers_of_150) {
    Layer layer(named, kernels, threads);
    const std::vector<Contender> found = search(layer);
    const Contender& chosen = found.front();
    const Contender& best = *std::ranges::min_element(found, {}, &Contender::seconds);
    constexpr double per_image = 1e3 / images;
    std::printf("  %-13s chosen %6.3f (%s), best %6.3f (%s): %+.1f %%\n", named.name,
                chosen.seconds * per_image, name(chosen.blocking).c_str(), best.seconds * per_image,
                name(best.blocking).c_str(), 100 * (chosen.seconds / best.seconds - 1));
    chosen_sum += chosen.seconds * per_image;
    best_sum += best.seconds * per_image;
  }
  std::printf("  all           chosen %6.3f, best %6.3f: %+.1f %%\n", chosen_sum, best_sum,
              100 * (chosen_sum / best_sum - 1));
}

}  // namespace
}  // namespace graft::bench

int main() {
  for (const graft::cpu::Isa isa : {graft::cpu::Isa::avx2, graft::cpu::Isa::avx512}) {
    if (graft::cpu::supports(isa)) graft::bench::compare(isa);
  }
  return 0;
}
