#include <fmt/format.h>

#include "bench/cpu/cpu_cases.h"
#include "kernels/cpu/cross_entropy.h"
#include "kernels/cpu/kernels.h"

namespace graft::bench {
namespace {

using cpu::Isa;
using cpu::KernelTable;

// The default classifier at 150×150.
constexpr std::size_t inputs = 8192, units = 256, weights = inputs * units;
constexpr Rmsprop rmsprop = {1e-3F, 0.9F, 0.1F, 1e-7F, true};
constexpr RandomStream stream = {1, RandomPurpose::dropout, 0, 0};

KernelWork at(std::size_t rows, const std::string& name, double flop, double bytes,
              KernelWork::Prepare prepare) {
  return {name, number_axes({{"batch", rows}}), flop, bytes, std::move(prepare)};
}

double floats(std::size_t count) {
  return static_cast<double>(count * sizeof(float));
}

KernelWork pack_rows(const KernelTable& kernels, std::size_t rows) {
  return at(rows, "pack_rows", 0.0, floats(2 * rows * inputs), [=] {
    const auto features = shared_filled(rows * inputs), packed = shared_filled(rows * inputs);
    std::vector<const float*> begin;
    for (std::size_t r = 0; r < rows; ++r) begin.push_back(features->data() + r * inputs);
    return [=] {
      for (std::size_t first = 0; first < inputs; first += cpu::dense_chunk)
        kernels.pack_rows(begin.data(), rows, first, cpu::dense_chunk, nullptr, nullptr,
                          packed->data() + first * rows);
    };
  });
}

KernelWork dense_forward(const KernelTable& kernels, std::size_t rows) {
  constexpr std::size_t chunks = inputs / cpu::dense_chunk;
  return at(
      rows, "dense_forward", 2.0 * static_cast<double>(rows * weights),
      floats(weights + rows * inputs), [=] {
        const auto packed = shared_filled(rows * inputs), kernel = shared_filled(weights);
        const auto sums = shared_filled(chunks * rows * units);
        return [=] {
          for (std::size_t chunk = 0; chunk < chunks; ++chunk)
            kernels.dense_forward({.packed = packed->data() + chunk * cpu::dense_chunk * rows,
                                   .rows = rows,
                                   .count = cpu::dense_chunk,
                                   .kernel = kernel->data() + chunk * cpu::dense_chunk * units,
                                   .units = units,
                                   .sums = sums->data() + chunk * rows * units,
                                   .add = false});
        };
      });
}

KernelWork sum_chunks(const KernelTable& kernels, std::size_t rows) {
  constexpr std::size_t chunks = inputs / cpu::dense_chunk;
  return at(rows, "sum_chunks", 0.0, floats((chunks + 2) * rows * units), [=] {
    const auto sums = shared_filled(chunks * rows * units), bias = shared_filled(units);
    const auto values = shared_filled(rows * units);
    return [=] {
      for (std::size_t row = 0; row < rows; ++row)
        kernels.sum_chunks(sums->data() + row * units, chunks, rows * units, bias->data(), units,
                           values->data() + row * units);
    };
  });
}

KernelWork relu_dropout(const KernelTable& kernels, std::size_t rows) {
  return at(rows, "relu_dropout", 0.0, floats(2 * rows * units), [=] {
    const auto values = shared_filled(rows * units);
    // A scale of 1 leaves the values unchanged, however often it runs.
    const Dropout dropout = {stream, dropout_threshold(0.5), 1.0F};
    return [=] { kernels.relu_dropout(values->data(), rows * units, 0, dropout); };
  });
}

KernelWork relu_dropout_backward(const KernelTable& kernels, std::size_t rows) {
  return at(rows, "relu_dropout_backward", 0.0, floats(3 * rows * units), [=] {
    const auto gradient = shared_filled(rows * units), outputs = shared_filled(rows * units);
    return [=] {
      kernels.relu_dropout_backward(gradient->data(), outputs->data(), rows * units, 1.0F);
    };
  });
}

KernelWork bias_update(const KernelTable& kernels, std::size_t rows) {
  return at(rows, "bias_update", 0.0, floats((rows + 4) * units), [=] {
    const auto delta = shared_filled(rows * units), bias = shared_filled(units);
    const auto mean_square = std::make_shared<cpu::AlignedFloats>(units);
    return [=] {
      kernels.bias_update(delta->data(), rows, units, rmsprop, bias->data(), mean_square->data());
    };
  });
}

KernelWork dense_backward_input(const KernelTable& kernels, std::size_t rows, std::size_t outputs) {
  KernelWork work =
      at(rows, "dense_backward_input", 2.0 * static_cast<double>(rows * units * outputs),
         floats(units * outputs + rows * (units + outputs)), {});
  work.axes.emplace_back("outputs", fmt::format("{}", outputs));
  work.prepare = [=] {
    const auto delta = shared_filled(rows * outputs), kernel = shared_filled(units * outputs);
    const auto gradient = shared_filled(rows * units);
    return [=] {
      kernels.dense_backward_input(delta->data(), rows, outputs, kernel->data(), units,
                                   gradient->data(), units);
    };
  };
  return work;
}

KernelWork dense_update(const KernelTable& kernels, std::size_t rows) {
  return at(rows, "dense_update", 2.0 * static_cast<double>(rows * weights),
            floats(4 * weights + rows * inputs), [=] {
              const auto packed = shared_filled(rows * inputs), delta = shared_filled(rows * units);
              const auto kernel = shared_filled(weights);
              const auto mean_square = std::make_shared<cpu::AlignedFloats>(weights);
              return [=] {
                for (std::size_t first = 0; first < inputs; first += cpu::dense_chunk)
                  kernels.dense_update({.packed = packed->data() + first * rows,
                                        .delta = delta->data(),
                                        .rows = rows,
                                        .count = cpu::dense_chunk,
                                        .units = units,
                                        .kernel = kernel->data() + first * units,
                                        .mean_square = mean_square->data() + first * units},
                                       rmsprop);
              };
            });
}

// The loss and its gradient. They are independent of the Isa.
KernelWork cross_entropy(std::size_t rows, std::size_t classes) {
  const std::size_t outputs = classes == 2 ? 1 : classes;
  KernelWork work = at(rows, classes == 2 ? "sigmoid_cross_entropy" : "softmax_cross_entropy", 0.0,
                       floats(2 * rows * outputs + rows), {});
  work.axes.emplace_back("classes", fmt::format("{}", classes));
  work.prepare = [=] {
    const auto logits = shared_filled(rows * outputs), gradient = shared_filled(rows * outputs);
    const auto labels = std::make_shared<std::vector<std::uint32_t>>(rows, 1);
    return [=] {
      if (classes == 2)
        cpu::sigmoid_cross_entropy(logits->data(), labels->data(), rows, gradient->data());
      else
        cpu::softmax_cross_entropy(logits->data(), labels->data(), rows, classes, gradient->data());
    };
  };
  return work;
}

}  // namespace

std::vector<KernelWork> head_kernels(Isa isa, const Axes& axes) {
  const KernelTable& kernels = cpu::kernels_for(isa);
  std::vector<KernelWork> all;
  for (const std::size_t rows : axes.batches) {
    all.push_back(pack_rows(kernels, rows));
    all.push_back(dense_forward(kernels, rows));
    all.push_back(sum_chunks(kernels, rows));
    all.push_back(relu_dropout(kernels, rows));
    all.push_back(relu_dropout_backward(kernels, rows));
    all.push_back(bias_update(kernels, rows));
    for (const std::size_t outputs : {1, 256})
      all.push_back(dense_backward_input(kernels, rows, outputs));
    all.push_back(dense_update(kernels, rows));
    for (const std::size_t classes : {2, 10}) all.push_back(cross_entropy(rows, classes));
  }
  return all;
}

}  // namespace graft::bench
