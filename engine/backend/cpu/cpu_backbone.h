#pragma once
// VGG16's thirteen convolutions on the CPU. The constructor takes all memory and packs all weights,
// on all threads; a batch allocates nothing.
//
// The batch goes through the network in groups, small where the feature maps are large, so that
// activations are still in the last-level cache when the next layer reads them:
//
//   blocks 1–2, 1–2 images ─┐
//   blocks 1–2, 1–2 images ─┼▶ blocks 3–5, the batch ─▶ features
//   …                      ─┘
//
// A backbone for one image at a time takes smaller tiles, whose weights are fewer (tiling.h); its
// features differ from those of a batch in the last digits.

#include <memory>
#include <string>

#include "engine/backend/backend.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/thread_pool.h"

namespace graft::cpu {

// Names the arithmetic for Backend::numerics(). AVX2 and AVX-512 give the same bytes, portable
// others. A change that may round a feature differently must change the number.
std::string backbone_numerics(Isa isa, const BackboneOptions& options);

// `threads`, `kernels` and `tracer` are borrowed, `weights` only until this returns. Throws
// Error(device) for a batch that needs more than the machine's memory. `tracer` receives each layer
// of each group, with the batch's number from 0; it may be null.
std::unique_ptr<Backbone> make_cpu_backbone(const Vgg16Weights& weights,
                                            const BackboneOptions& options, ThreadPool& threads,
                                            const KernelTable& kernels, Tracer* tracer = nullptr);

}  // namespace graft::cpu
