// One row of the dispatch: the kernels of the Isa that this file is compiled for.

#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/kernels.h"

namespace graft::cpu::GRAFT_ISA {

extern Gemm gemm;
extern Finish finish;
extern WinogradInput winograd_input;
extern WinogradOutput winograd_output;
extern WinogradTransformWeights winograd_weights;
extern ConvolutionRgb convolution_rgb;
extern GlobalPool global_pool;
extern PackRows pack_rows;
extern DenseForward dense_forward;
extern SumChunks sum_chunks;
extern ReluDropout relu_dropout;
extern ReluDropoutBackward relu_dropout_backward;
extern DenseBackwardInput dense_backward_input;
extern DenseUpdate dense_update;
extern BiasUpdate bias_update;

extern const KernelTable table;
const KernelTable table = {
    .gemm_rows = gemm_tile_rows,
    .gemm_columns = gemm_tile_columns,
    .gemm = gemm,
    .finish = finish,
    .winograd_input = winograd_input,
    .winograd_output = winograd_output,
    .winograd_weights = winograd_weights,
    .convolution_rgb = convolution_rgb,
    .global_pool = global_pool,
    .pack_rows = pack_rows,
    .dense_forward = dense_forward,
    .sum_chunks = sum_chunks,
    .relu_dropout = relu_dropout,
    .relu_dropout_backward = relu_dropout_backward,
    .dense_backward_input = dense_backward_input,
    .dense_update = dense_update,
    .bias_update = bias_update,
};

}  // namespace graft::cpu::GRAFT_ISA
