#pragma once
// VGG16's thirteen convolutions on the CPU. All memory is taken and all weights are transformed
// when the object is made; a batch allocates nothing.
//
// The batch goes through the network in groups, small while the planes are large, so that a plane
// is still in the last-level cache when the next layer reads it:
//
//   blocks 1–2, 1–2 images ─┐
//   blocks 1–2, 1–2 images ─┼▶ block 3, a few images ─┐
//   …                      ─┘  …                     ─┼▶ blocks 4–5, the batch ─▶ features
//                                                     ─┘

#include <memory>

#include "engine/backend/backend.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/thread_pool.h"

namespace graft::cpu {

// The arithmetic, for Backend::numerics(): AVX2 and AVX-512 give the same bytes, portable others. A
// change that may round a feature differently must change the number.
std::string_view backbone_numerics(Isa isa);

// `threads` and `kernels` are borrowed; `weights` only until this returns. Throws Error(device) for
// a batch that needs more than the machine's memory.
std::unique_ptr<Backbone> make_cpu_backbone(const Vgg16Weights& weights,
                                            const BackboneOptions& options, ThreadPool& threads,
                                            const KernelTable& kernels);

}  // namespace graft::cpu
