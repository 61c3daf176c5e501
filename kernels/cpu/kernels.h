#pragma once
// The kernels of the CPU: a table of functions for each Isa. A function's contract is in the header
// of its op.

#include "kernels/cpu/convolution_rgb.h"
#include "kernels/cpu/dense_backward_input.h"
#include "kernels/cpu/dense_forward.h"
#include "kernels/cpu/dense_update.h"
#include "kernels/cpu/finish.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/global_pool.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/pack_rows.h"
#include "kernels/cpu/relu_dropout.h"
#include "kernels/cpu/sum_chunks.h"
#include "kernels/cpu/winograd.h"

namespace graft::cpu {

struct KernelTable {
  // The backbone.
  std::size_t gemm_rows;     // of a panel of A
  std::size_t gemm_columns;  // of a panel of B
  Gemm* gemm;
  Finish* finish;
  WinogradInput* winograd_input;
  WinogradOutput* winograd_output;
  WinogradTransformWeights* winograd_weights;
  ConvolutionRgb* convolution_rgb;
  GlobalPool* global_pool;
  // The head.
  PackRows* pack_rows;
  DenseForward* dense_forward;
  SumChunks* sum_chunks;
  ReluDropout* relu_dropout;
  ReluDropoutBackward* relu_dropout_backward;
  DenseBackwardInput* dense_backward_input;
  DenseUpdate* dense_update;
  BiasUpdate* bias_update;
};

// Throws std::invalid_argument when this processor cannot run `isa`.
const KernelTable& kernels_for(Isa isa);

}  // namespace graft::cpu
