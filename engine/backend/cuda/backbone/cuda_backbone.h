#pragma once
// VGG16's thirteen convolutions on a GPU, by cuDNN, with kernels/cuda between them. Memory, plans
// and CUDA graphs are made with the object; a batch allocates nothing. Sizes and memory:
// backbone_spec.h. Overlap of batches: stream_order.h.
//
// With a tracer at TraceDetail::kernels there are no graphs: each batch's calls are made one by
// one, with spans around each layer, kernel and copy, so that tools show kernels by layer. The same
// kernels compute the same bytes; the host works longer.
//
// A batch of fewer images than batch_size runs through the same graph. The remaining rows hold
// images of an earlier batch, or zeros (in fp16 copies of the batch's first image), and their
// features are not copied out. An image's features do not depend on its place or company: a
// convolution's sums never cross images, and engines that cut sums by the place in the batch are
// skipped (offer_plans() in cudnn/convolution.h).
//
// fp16 holds numbers up to 65504. With ImageNet's weights the largest activation of 24 photos is
// 178 (rescale), 372 (torch) and 16,767 (caffe), all in block3_conv3; of white noise and
// chessboards 19,909. Other weights may go beyond. Then the batch is refused, by a flag that
// bias_relu and bias_relu_max_pool raise for each value that they read or write and that is not
// finite. They see the first such value, or what it makes of others:
//
//   - Images, weights and biases are finite, sums are in float, which no sum of 4608 products of
//     halves leaves, and engines with Winograd transforms or sums in half are skipped. So the first
//     value that is not finite is an infinity, where a result is rounded to half.
//   - A convolution without bias and ReLU writes such sums, and one of the two kernels reads them
//     before any ReLU. It flags −∞ too, which a ReLU would make 0. Results with a bias it flags
//     where it writes them.
//   - A convolution with bias and ReLU writes +∞, or 0 for what is below. The next convolution
//     multiplies +∞ by each of its filters: an infinity, or a NaN where a weight is 0 or two
//     infinities cancel. So all of its sums at that pixel and beside it are not finite, and one of
//     the two kernels reads them. It may have no ReLU of its own, which could make a NaN 0: in fp16
//     no convolution with bias and ReLU follows another.
//   - A pool drops the last line or column of an odd map. An infinity that is written there before
//     the last convolution of a block is in the windows of the pixels beside it, which are pooled.

#include <functional>
#include <memory>

#include "engine/backend/backend.h"
#include "engine/backend/cuda/backbone/backbone_spec.h"
#include "engine/backend/cuda/runtime/device.h"

namespace graft::cuda {

// `device` is borrowed and outlives the backbone; `weights` only until this returns. `spec` has its
// plans. `fitting_batch` returns the batch size that would fit, 0 for none, when this one does not.
// `tracer` receives kernels; it is borrowed and may be null. Throws Error(device) for a batch that
// does not fit the GPU's free memory.
std::unique_ptr<Backbone> make_cuda_backbone(Device& device, const Vgg16Weights& weights,
                                             BackboneSpec spec,
                                             const std::function<std::size_t()>& fitting_batch,
                                             Tracer* tracer = nullptr);

// Throws Error(device): the memory of `spec` is not free. fitting_batch: the batch size that would
// fit, 0 for none. Throws Failure when the free memory cannot be read.
[[noreturn]] void refuse_memory(const Device& device, const BackboneSpec& spec,
                                std::size_t fitting_batch);

}  // namespace graft::cuda
