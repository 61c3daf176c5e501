#pragma once
// One Dense layer of the head: its parameters, its workspace, and how its kernels are cut into
// pieces for the threads. The pieces depend on the layer's shape alone.

#include <cstddef>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/backend/cpu/aligned_floats.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/thread_pool.h"

namespace graft::cpu {

// What every layer computes with. Borrowed.
struct LayerContext {
  ThreadPool& pool;
  const KernelTable& kernels;
};

class DenseLayer {
 public:
  DenseLayer(std::size_t inputs, std::size_t units, std::size_t most_rows);

  std::size_t units() const { return units_; }
  // Floats that forward() needs as workspace.
  std::size_t workspace_size() const { return chunks() * most_rows_ * units_; }

  // The shapes are the layer's: see check_shapes.
  void set_parameters(const DenseParameters& parameters);
  void set_mean_squares(const DenseParameters& mean_squares);
  void clear_mean_squares();
  DenseParameters parameters() const { return copy(kernel_, bias_); }
  DenseParameters mean_squares() const { return copy(kernel_mean_square_, bias_mean_square_); }

  // outputs() = x·W + b, then ReLU and dropout when `hidden` is not null.
  // inputs: rows pointers to rows of the layer's inputs; sums: workspace_size() floats.
  void forward(const LayerContext& context, const float* const* inputs, std::size_t rows,
               const Dropout* hidden, float* sums);
  // gradient = delta()·Wᵀ, rows × inputs.
  void backward_inputs(const LayerContext& context, std::size_t rows, float* gradient) const;
  // RMSprop with the gradients of W and b that follow from delta() and the inputs of forward().
  void update(const LayerContext& context, std::size_t rows, const Rmsprop& rmsprop);

  float* outputs() const { return outputs_.data(); }  // rows × units
  float* delta() const { return delta_.data(); }      // rows × units: the gradient of x·W + b
  const float* const* output_rows() const { return output_rows_.data(); }

 private:
  // Inputs in one piece of the weight update and of the inputs' gradient.
  static constexpr std::size_t piece_inputs = 64;

  std::size_t chunks() const { return (inputs_ + dense_chunk - 1) / dense_chunk; }
  std::size_t pieces() const { return (inputs_ + piece_inputs - 1) / piece_inputs; }
  DenseParameters copy(const AlignedFloats& kernel, const AlignedFloats& bias) const;

  std::size_t inputs_;
  std::size_t units_;
  std::size_t most_rows_;
  AlignedFloats kernel_, bias_;  // inputs × units; units
  AlignedFloats kernel_mean_square_, bias_mean_square_;
  AlignedFloats packed_inputs_;  // inputs × rows
  AlignedFloats outputs_, delta_;
  std::vector<const float*> output_rows_;
};

}  // namespace graft::cpu
