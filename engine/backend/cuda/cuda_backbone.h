#pragma once
// VGG16's thirteen convolutions on a GPU, by cuDNN, with kernels/cuda between them. All memory is
// taken, all plans are chosen and all work is written down as CUDA graphs when the object is made;
// a batch allocates nothing. How the memory is cut: backbone_memory.h; how batches overlap:
// stream_order.h.
//
// With a tracer that wants to be told of kernels there are no graphs: each batch's calls are made
// one by one, with the tracer's spans around each layer, kernel and copy, so that tools show
// kernels by layer. The same kernels compute the same bytes; the host works longer for it.
//
// A batch of fewer images than batch_size runs through the same graph: the rows behind it hold
// images of an earlier batch, or zeros, and their features are not copied out. An image's features
// do not depend on its place or company: a convolution's sums never cross images, and engines that
// cut them by the place in the batch are not taken (candidates() in cudnn_convolution.h).
//
// fp16 holds numbers up to 65504. With ImageNet's weights the largest activation of 24 photos is
// 178 (rescale), 372 (torch) and 16,767 (caffe), all in block3_conv3; of white noise and
// chessboards 19,909. Other weights may go beyond: features that are not finite are refused in
// fp16.

#include <functional>
#include <memory>

#include "engine/backend/backend.h"
#include "engine/backend/cuda/backbone_plans.h"
#include "engine/backend/cuda/device.h"

namespace graft::cuda {

// `device` is borrowed and outlives the backbone; `weights` only until this returns. The plans are
// for `options`. `fitting_batch` says which batch size would fit, 0 for none, when this one does
// not. `tracer` is told of kernels; it is borrowed, and null where nobody wants to be told. Throws
// Error(device) for a batch that does not fit the GPU's free memory.
std::unique_ptr<Backbone> make_cuda_backbone(Device& device, const Vgg16Weights& weights,
                                             const BackboneOptions& options, BackbonePlans plans,
                                             const std::function<std::size_t()>& fitting_batch,
                                             Tracer* tracer = nullptr);

// Throws Error(device): `wanted` bytes are not to be had. fitting_batch: the batch size that would
// fit, 0 for none. Throws Failure when the free memory cannot be asked for.
[[noreturn]] void refuse_memory(const Device& device, const BackboneOptions& options,
                                std::size_t wanted, std::size_t fitting_batch);

}  // namespace graft::cuda
