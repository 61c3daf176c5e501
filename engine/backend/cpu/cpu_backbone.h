#pragma once
// VGG16's thirteen convolutions on the CPU. All memory is taken and all weights are transformed, or
// mapped from the file where an earlier start has kept them (packed_weights.h), when the object is
// made; a batch allocates nothing.
//
// The batch goes through the network in groups, small while the planes are large, so that a plane
// is still in the last-level cache when the next layer reads it:
//
//   blocks 1–2, 1–2 images ─┐
//   blocks 1–2, 1–2 images ─┼▶ blocks 3–5, the batch ─▶ features
//   …                      ─┘
//
// A backbone for one image at a time takes smaller tiles, whose weights are fewer (tiling.h); its
// features differ from those of a batch in the last digits.

#include <memory>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/thread_pool.h"

namespace graft::cpu {

// The arithmetic, for Backend::numerics(): AVX2 and AVX-512 give the same bytes, portable others. A
// change that may round a feature differently must change the number.
std::string backbone_numerics(Isa isa, const BackboneOptions& options);

// `threads` and `kernels` are borrowed; `weights` only until this returns. Throws Error(device) for
// a batch that needs more than the machine's memory. What went wrong and stopped nothing is
// appended to `remarks`. `tracer` is told of each layer of each group, by the batch's number from
// 0; it is borrowed and may be null.
std::unique_ptr<Backbone> make_cpu_backbone(const Vgg16Weights& weights,
                                            const BackboneOptions& options, ThreadPool& threads,
                                            const KernelTable& kernels,
                                            std::vector<std::string>& remarks,
                                            Tracer* tracer = nullptr);

}  // namespace graft::cpu
