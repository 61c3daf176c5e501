#pragma once
// A Dense layer of the head: its parameters, its workspace, and its work in pieces for the threads.
// The pieces never change a result: kernels/cpu/dense_forward.h.

#include <cstddef>
#include <functional>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/backend/cpu/aligned_floats.h"
#include "kernels/cpu/dense_layout.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/thread_pool.h"

namespace graft::cpu {

// Threads and kernels of every layer. Borrowed.
struct LayerContext {
  ThreadPool& pool;
  const KernelTable& kernels;
};

// Calls body(piece, thread) for each piece, on all threads where `work` multiply-adds are worth it:
// below some ten microseconds waking them costs more than it saves. Allocates nothing.
template <typename Body>
void for_pieces(ThreadPool& pool, std::size_t pieces, std::size_t work, const Body& body) {
  constexpr std::size_t worth_sharing = std::size_t{1} << 17U;
  if (work < worth_sharing) {
    for (std::size_t piece = 0; piece < pieces; ++piece) body(piece, 0);
  } else {
    pool.parallel_for(pieces, std::cref(body));  // a std::function of the body would allocate
  }
}

class DenseLayer {
 public:
  // Rows that infer() packs and multiplies at once: a multiple of a register tile.
  static constexpr std::size_t group_rows = 12;

  // most_rows: of a batch that forward() takes.
  DenseLayer(const DenseShape& shape, std::size_t most_rows);

  std::size_t units() const { return units_; }
  // Floats that forward() needs as workspace.
  std::size_t workspace_size() const { return chunks() * most_rows_ * units_; }

  // The shapes are the layer's: see check_state.
  void set_parameters(const DenseParameters& parameters) { set(kernel_, bias_, parameters); }
  void set_mean_squares(const DenseParameters& mean_squares) {
    set(kernel_mean_square_, bias_mean_square_, mean_squares);
  }
  void clear_mean_squares();
  DenseParameters parameters() const { return copy(kernel_, bias_); }
  DenseParameters mean_squares() const { return copy(kernel_mean_square_, bias_mean_square_); }

  // For a batch: outputs() = x·W + b, then ReLU and dropout when `hidden` is not null. The threads
  // share the chunks of the inputs.
  // inputs: rows pointers to rows of the layer's inputs, which are normalised where `normalization`
  // is not null; sums: workspace_size() floats.
  void forward(const LayerContext& context, const float* const* inputs, std::size_t rows,
               const Normalization* normalization, const Dropout* hidden, float* sums);
  // The same of any number of rows, with the same bytes, on the thread that calls: the product runs
  // down the chunks, so that a chunk of the kernel stays in the level-2 cache for all rows.
  // packed: group_size floats; outputs: rows × units.
  void infer(const KernelTable& kernels, const float* const* inputs, std::size_t rows,
             const Dropout* hidden, float* packed, float* outputs) const;
  static constexpr std::size_t group_size = packed_size(group_rows, dense_chunk);

  // gradient = delta()·Wᵀ, rows × inputs.
  void backward_inputs(const LayerContext& context, std::size_t rows, float* gradient) const;
  // RMSprop with the gradients of W and b that follow from delta() and the inputs of forward().
  void update(const LayerContext& context, std::size_t rows, const Rmsprop& rmsprop);

  float* outputs() const { return outputs_.data(); }  // rows × units
  float* delta() const { return delta_.data(); }      // rows × units: the gradient of x·W + b
  const float* const* output_rows() const { return output_rows_.data(); }

 private:
  std::size_t chunks() const { return (inputs_ + dense_chunk - 1) / dense_chunk; }
  std::size_t chunk_size(std::size_t chunk) const;
  // Asks for a chunk of rows that come from memory, while another one is multiplied.
  void prefetch_chunk(const float* const* inputs, std::size_t rows, std::size_t chunk) const;
  template <typename Visit>
  void for_each_panel_row(const Visit& visit) const;
  void set(const AlignedFloats& kernel, const AlignedFloats& bias, const DenseParameters& from);
  DenseParameters copy(const AlignedFloats& kernel, const AlignedFloats& bias) const;

  std::size_t inputs_;
  std::size_t units_;
  std::size_t most_rows_;
  AlignedFloats kernel_, bias_;  // inputs × units as in dense_layout.h; units
  AlignedFloats kernel_mean_square_, bias_mean_square_;  // the same
  AlignedFloats packed_inputs_;                          // of the batch
  AlignedFloats outputs_, delta_;
  std::vector<const float*> output_rows_;
};

}  // namespace graft::cpu
