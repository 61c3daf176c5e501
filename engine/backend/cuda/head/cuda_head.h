#pragma once
// The head on a GPU: cuBLASLt for the products (dense_products.h), kernels/cuda for all else. In
// fp32, and deterministic: the same steps leave the same bytes on the same GPU and libraries, with
// resident and with streamed rows. The dropout masks are the CPU's.
//
// Every precondition of Head is checked: a broken one is Error(usage). A GPU that fails is
// Error(device). Beyond what Head promises:
//   set_state          accepts no mean_squares at all as all zero
//   set_training_data, set_validation_data
//                      copy the rows to the device when they fit (training_rows.h, resident_rows.h)
//   begin_epoch        waits for the device, and copies 4 bytes a row where rows are resident
//   train_step         is one launch of a CUDA graph (training_step.h). It returns before that is
//                      done, and waits only for room in the driver's queue, and for a slot of the
//                      ring where rows stream. The first step of each size, batch_size or a short
//                      last batch, runs without the graph and captures it. Memory is taken only
//                      then. Losses are added up on the device until take_totals.
//   evaluate, predict  copy rows that are not resident to the device in chunks. 4·columns bytes a
//                      row, copied by the host and over the bus. evaluate overlaps the copy with the
//                      chunk before; predict waits for each chunk's probabilities, which go to
//                      memory that is not pinned.
// With a tracer there is no graph: the same kernels are launched one by one, with a span each.
//
// Bytes moved by a step, beside features and outputs, for a parameter: forward 4, input gradient
// 4 (not the first layer), its own gradient 4, RMSprop 20. Device memory: 12 bytes for a parameter;
// 3 chunks of about 8 MiB; 32 MiB for cuBLASLt.

#include <cstddef>
#include <limits>
#include <memory>

#include "engine/backend/backend.h"
#include "engine/backend/cuda/runtime/device.h"

namespace graft::cuda {

inline constexpr std::size_t all_that_fit = std::numeric_limits<std::size_t>::max();

// `device` is borrowed and outlives the head. most_resident_bytes: rows of a set that take more
// stream even where they would fit. `tracer` is borrowed and may be null. It receives each kernel
// and product as the host enqueues it and, at TraceDetail::device_times, when it ran
// (kernel_trace.h). Times are read when the host waits anyway, and of a step at the latest 64 steps
// later. Throws Error(usage) on options out of range, and Error(device) when GPU or machine cannot
// hold the head.
std::unique_ptr<Head> make_cuda_head(const HeadOptions& options, Device& device,
                                     std::size_t most_resident_bytes = all_that_fit,
                                     Tracer* tracer = nullptr);

}  // namespace graft::cuda
