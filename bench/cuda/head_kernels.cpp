// The kernels of the head. They work in float.

#include <cstdint>
#include <numeric>
#include <string>

#include "bench/cuda/kernel_suite.h"
#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/gather_rows.h"
#include "kernels/cuda/relu_dropout.h"
#include "kernels/cuda/rmsprop.h"
#include "kernels/cuda/sigmoid_cross_entropy.h"
#include "kernels/cuda/softmax_cross_entropy.h"

namespace graft::bench {
namespace {

using AxisValues = std::vector<std::pair<std::string, std::string>>;

// Of a hidden layer: the recipe's, and VGG16's own.
constexpr std::size_t ladder_of_units[] = {256, 4096};
// Of the softmax: a few, and ImageNet's.
constexpr std::size_t ladder_of_classes[] = {10, 1000};

AxisValues at(std::initializer_list<std::pair<const char*, std::size_t>> sizes) {
  AxisValues axes = {{"precision", "fp32"}};
  for (const auto& [name, value] : sizes) axes.emplace_back(name, std::to_string(value));
  return axes;
}
double moved(const cuda::MovedBytes& bytes) {
  return static_cast<double>(bytes.total());
}

// The rows of a shuffle: none is beside the one before it.
KernelAt gather_rows(std::size_t rows, std::size_t columns) {
  return {"gather_rows", at({{"rows", rows}, {"columns", columns}}),
          moved(cuda::gather_rows_bytes(rows, columns)), [=](Arrays& arrays) -> Work {
            std::vector<std::uint32_t> order(rows);
            std::iota(order.rbegin(), order.rend(), std::uint32_t{0});
            const cuda::GatherSource source = {arrays.numbers<float>(rows * columns),
                                               arrays.zeros<std::uint32_t>(rows), columns};
            const auto* picked = arrays.copied<std::uint32_t>(order);
            auto* out = arrays.zeros<float>(rows * columns);
            auto* labels = arrays.zeros<std::uint32_t>(rows);
            return [=](cudaStream_t stream) {
              cuda::gather_rows(out, labels, source, picked, rows, stream);
            };
          }};
}

// In place, and run many times on the same values: nothing grows with a scale of 1.
KernelAt relu_dropout(std::size_t rows, std::size_t units) {
  return {"relu_dropout", at({{"rows", rows}, {"units", units}}),
          moved(cuda::relu_dropout_bytes(rows, units)), [=](Arrays& arrays) -> Work {
            auto* values = arrays.numbers<float>(rows * units);
            const auto* bias = arrays.zeros<float>(units);
            const Dropout dropout = {{1, RandomPurpose::dropout, 0, 0}, 1U << 23U, 1.0F};
            return [=](cudaStream_t stream) {
              cuda::relu_dropout(values, bias, rows, units, dropout, stream);
            };
          }};
}

KernelAt relu_dropout_backward(std::size_t rows, std::size_t units) {
  return {"relu_dropout_backward", at({{"rows", rows}, {"units", units}}),
          moved(cuda::relu_dropout_backward_bytes(rows * units)), [=](Arrays& arrays) -> Work {
            auto* gradient = arrays.numbers<float>(rows * units);
            const auto* outputs = arrays.numbers<float>(rows * units);
            return [=](cudaStream_t stream) {
              cuda::relu_dropout_backward(gradient, outputs, rows * units, 1.0F, stream);
            };
          }};
}

KernelAt column_sums(std::size_t rows, std::size_t units) {
  return {"column_sums", at({{"rows", rows}, {"units", units}}),
          moved(cuda::column_sums_bytes(rows, units)), [=](Arrays& arrays) -> Work {
            auto* sums = arrays.zeros<float>(units);
            const auto* delta = arrays.numbers<float>(rows * units);
            return
                [=](cudaStream_t stream) { cuda::column_sums(sums, delta, rows, units, stream); };
          }};
}

// A head of two layers, features → units → 1, in one launch.
KernelAt rmsprop(std::size_t features, std::size_t units) {
  const std::size_t counts[] = {features * units, units, units, 1};
  const std::size_t parameters =
      std::accumulate(std::begin(counts), std::end(counts), std::size_t{0});
  return {"rmsprop", at({{"parameters", parameters}}), moved(cuda::rmsprop_bytes(parameters)),
          [=](Arrays& arrays) -> Work {
            std::vector<cuda::ParameterTensor> tensors;
            for (const std::size_t count : counts) {
              tensors.push_back({arrays.numbers<float>(count), arrays.numbers<float>(count),
                                 arrays.numbers<float>(count), count});
            }
            return [=](cudaStream_t stream) {
              cuda::rmsprop(tensors, {1e-6F, 0.9F, 0.1F, 1e-7F, true}, stream);
            };
          }};
}

KernelAt sigmoid_cross_entropy(std::size_t rows) {
  return {"sigmoid_cross_entropy", at({{"rows", rows}}),
          moved(cuda::sigmoid_cross_entropy_bytes(rows)), [=](Arrays& arrays) -> Work {
            const auto* logits = arrays.numbers<float>(rows);
            const auto* labels = arrays.zeros<std::uint32_t>(rows);
            auto* gradient = arrays.zeros<float>(rows);
            auto* totals = arrays.zeros<cuda::LossTotals>(1);
            return [=](cudaStream_t stream) {
              cuda::sigmoid_cross_entropy(logits, labels, rows, gradient, totals, stream);
            };
          }};
}

KernelAt sigmoid_probabilities(std::size_t rows) {
  return {"sigmoid_probabilities", at({{"rows", rows}}),
          moved(cuda::sigmoid_probabilities_bytes(rows)), [=](Arrays& arrays) -> Work {
            const auto* logits = arrays.numbers<float>(rows);
            auto* probabilities = arrays.zeros<float>(2 * rows);
            return [=](cudaStream_t stream) {
              cuda::sigmoid_probabilities(logits, rows, probabilities, stream);
            };
          }};
}

KernelAt softmax_cross_entropy(std::size_t rows, std::size_t classes) {
  return {"softmax_cross_entropy", at({{"rows", rows}, {"classes", classes}}),
          moved(cuda::softmax_cross_entropy_bytes(rows, classes)), [=](Arrays& arrays) -> Work {
            const auto* logits = arrays.numbers<float>(rows * classes);
            const auto* labels = arrays.zeros<std::uint32_t>(rows);
            auto* gradient = arrays.zeros<float>(rows * classes);
            auto* row_losses = arrays.zeros<cuda::LossTotals>(rows);
            auto* totals = arrays.zeros<cuda::LossTotals>(1);
            return [=](cudaStream_t stream) {
              cuda::softmax_cross_entropy(logits, labels, rows, classes, gradient, row_losses,
                                          totals, stream);
            };
          }};
}

KernelAt softmax_probabilities(std::size_t rows, std::size_t classes) {
  return {"softmax_probabilities", at({{"rows", rows}, {"classes", classes}}),
          moved(cuda::softmax_probabilities_bytes(rows, classes)), [=](Arrays& arrays) -> Work {
            const auto* logits = arrays.numbers<float>(rows * classes);
            auto* probabilities = arrays.zeros<float>(rows * classes);
            return [=](cudaStream_t stream) {
              cuda::softmax_probabilities(logits, rows, classes, probabilities, stream);
            };
          }};
}

}  // namespace

std::vector<KernelAt> head_kernels(std::size_t rows, std::size_t features) {
  std::vector<KernelAt> kernels = {gather_rows(rows, features), sigmoid_cross_entropy(rows),
                                   sigmoid_probabilities(rows)};
  for (const std::size_t units : ladder_of_units) {
    kernels.push_back(relu_dropout(rows, units));
    kernels.push_back(relu_dropout_backward(rows, units));
    kernels.push_back(column_sums(rows, units));
  }
  for (const std::size_t classes : ladder_of_classes) {
    kernels.push_back(softmax_cross_entropy(rows, classes));
    kernels.push_back(softmax_probabilities(rows, classes));
  }
  kernels.push_back(rmsprop(features, ladder_of_units[0]));
  return kernels;
}

}  // namespace graft::bench
