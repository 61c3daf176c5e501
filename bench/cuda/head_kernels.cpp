// The hand-written kernels of the head, in fp32.

#include <cstdint>
#include <numeric>
#include <string>

#include "bench/cuda/cuda_cases.h"
#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/cross_entropy.h"
#include "kernels/cuda/gather_rows.h"
#include "kernels/cuda/relu_dropout.h"
#include "kernels/cuda/rmsprop.h"

namespace graft::bench {
namespace {

// Of a hidden layer: the default, and VGG16's own.
constexpr std::size_t units_sweep[] = {256, 4096};
// Of the softmax: a few, and ImageNet's.
constexpr std::size_t classes_sweep[] = {10, 1000};

// The rows in reverse order, as after a shuffle: no row follows its predecessor.
KernelWork gather_rows(std::size_t rows, std::size_t columns) {
  return {"gather_rows", number_axes({{"rows", rows}, {"columns", columns}}),
          cuda::gather_rows_bytes(rows, columns), [=](Arrays& arrays) -> Work {
            std::vector<std::uint32_t> order(rows);
            std::iota(order.rbegin(), order.rend(), std::uint32_t{0});
            const cuda::GatherSource source = {arrays.numbers<float>(rows * columns),
                                               arrays.zeros<std::uint32_t>(rows), columns};
            const auto* picked = arrays.copied<std::uint32_t>(order);
            const auto* first = arrays.zeros<std::uint64_t>(1);
            auto* out = arrays.zeros<float>(rows * columns);
            auto* labels = arrays.zeros<std::uint32_t>(rows);
            return [=](cudaStream_t stream) {
              cuda::gather_rows(out, labels, source, picked, first, rows, stream);
            };
          }};
}

// In place: a scale of 1 leaves the values unchanged, however often it runs.
KernelWork relu_dropout(std::size_t rows, std::size_t units) {
  return {"relu_dropout", number_axes({{"rows", rows}, {"units", units}}),
          cuda::relu_dropout_bytes(rows, units), [=](Arrays& arrays) -> Work {
            auto* values = arrays.numbers<float>(rows * units);
            const auto* bias = arrays.zeros<float>(units);
            const Dropout dropout = {{1, RandomPurpose::dropout, 0, 0}, 1U << 23U, 1.0F};
            const auto* step = arrays.zeros<std::uint64_t>(1);
            return [=](cudaStream_t stream) {
              cuda::relu_dropout(values, bias, rows, units, dropout, step, stream);
            };
          }};
}

KernelWork relu_dropout_backward(std::size_t rows, std::size_t units) {
  return {"relu_dropout_backward", number_axes({{"rows", rows}, {"units", units}}),
          cuda::relu_dropout_backward_bytes(rows * units), [=](Arrays& arrays) -> Work {
            auto* gradient = arrays.numbers<float>(rows * units);
            const auto* outputs = arrays.numbers<float>(rows * units);
            return [=](cudaStream_t stream) {
              cuda::relu_dropout_backward(gradient, outputs, rows * units, 1.0F, stream);
            };
          }};
}

KernelWork column_sums(std::size_t rows, std::size_t units) {
  return {"column_sums", number_axes({{"rows", rows}, {"units", units}}),
          cuda::column_sums_bytes(rows, units), [=](Arrays& arrays) -> Work {
            auto* sums = arrays.zeros<float>(units);
            const auto* delta = arrays.numbers<float>(rows * units);
            return
                [=](cudaStream_t stream) { cuda::column_sums(sums, delta, rows, units, stream); };
          }};
}

// A head of two layers, features → units → 1, in one launch.
KernelWork rmsprop(std::size_t features, std::size_t units) {
  const std::size_t counts[] = {features * units, units, units, 1};
  const std::size_t parameters =
      std::accumulate(std::begin(counts), std::end(counts), std::size_t{0});
  return {"rmsprop", number_axes({{"parameters", parameters}}), cuda::rmsprop_bytes(parameters),
          [=](Arrays& arrays) -> Work {
            std::vector<cuda::ParameterTensor> tensors;
            for (const std::size_t count : counts) {
              tensors.push_back({arrays.numbers<float>(count), arrays.numbers<float>(count),
                                 arrays.numbers<float>(count), count});
            }
            const auto* rate = arrays.copied<float>(std::vector<float>{1e-6F});
            return [=](cudaStream_t stream) {
              cuda::rmsprop(tensors, {0.0F, 0.9F, 0.1F, 1e-7F, true}, rate, stream);
            };
          }};
}

KernelWork sigmoid_cross_entropy(std::size_t rows) {
  return {"sigmoid_cross_entropy", number_axes({{"rows", rows}}),
          cuda::sigmoid_cross_entropy_bytes(rows), [=](Arrays& arrays) -> Work {
            const auto* logits = arrays.numbers<float>(rows);
            const auto* labels = arrays.zeros<std::uint32_t>(rows);
            auto* gradient = arrays.zeros<float>(rows);
            auto* totals = arrays.zeros<cuda::LossTotals>(1);
            return [=](cudaStream_t stream) {
              cuda::sigmoid_cross_entropy(logits, labels, rows, nullptr, gradient, totals, stream);
            };
          }};
}

KernelWork sigmoid_probabilities(std::size_t rows) {
  return {"sigmoid_probabilities", number_axes({{"rows", rows}}),
          cuda::sigmoid_probabilities_bytes(rows), [=](Arrays& arrays) -> Work {
            const auto* logits = arrays.numbers<float>(rows);
            auto* probabilities = arrays.zeros<float>(2 * rows);
            return [=](cudaStream_t stream) {
              cuda::sigmoid_probabilities(logits, rows, probabilities, stream);
            };
          }};
}

KernelWork softmax_cross_entropy(std::size_t rows, std::size_t classes) {
  return {"softmax_cross_entropy", number_axes({{"rows", rows}, {"classes", classes}}),
          cuda::softmax_cross_entropy_bytes(rows, classes), [=](Arrays& arrays) -> Work {
            const auto* logits = arrays.numbers<float>(rows * classes);
            const auto* labels = arrays.zeros<std::uint32_t>(rows);
            auto* gradient = arrays.zeros<float>(rows * classes);
            auto* row_losses = arrays.zeros<cuda::LossTotals>(rows);
            auto* totals = arrays.zeros<cuda::LossTotals>(1);
            return [=](cudaStream_t stream) {
              cuda::softmax_cross_entropy(logits, labels, rows, classes, nullptr, gradient,
                                          row_losses, totals, stream);
            };
          }};
}

KernelWork softmax_probabilities(std::size_t rows, std::size_t classes) {
  return {"softmax_probabilities", number_axes({{"rows", rows}, {"classes", classes}}),
          cuda::softmax_probabilities_bytes(rows, classes), [=](Arrays& arrays) -> Work {
            const auto* logits = arrays.numbers<float>(rows * classes);
            auto* probabilities = arrays.zeros<float>(rows * classes);
            return [=](cudaStream_t stream) {
              cuda::softmax_probabilities(logits, rows, classes, probabilities, stream);
            };
          }};
}

}  // namespace

std::vector<KernelWork> head_kernels(std::size_t rows, std::size_t features) {
  std::vector<KernelWork> kernels = {gather_rows(rows, features), sigmoid_cross_entropy(rows),
                                     sigmoid_probabilities(rows)};
  for (const std::size_t units : units_sweep) {
    kernels.push_back(relu_dropout(rows, units));
    kernels.push_back(relu_dropout_backward(rows, units));
    kernels.push_back(column_sums(rows, units));
  }
  for (const std::size_t classes : classes_sweep) {
    kernels.push_back(softmax_cross_entropy(rows, classes));
    kernels.push_back(softmax_probabilities(rows, classes));
  }
  kernels.push_back(rmsprop(features, units_sweep[0]));
  return kernels;
}

}  // namespace graft::bench
