#include "kernels/cpu/finish.h"

#include "kernels/cpu/vector.h"

namespace graft::cpu::GRAFT_ISA {

static Vector largest_of_window(const FinishOutputs& f, std::size_t pixel, std::size_t channel) {
  const float* upper = f.product + 2 * pixel * f.product_stride + channel;
  const float* lower = upper + 2 * f.pixels * f.product_stride;
  return maximum(maximum(load(upper), load(upper + f.product_stride)),
                 maximum(load(lower), load(lower + f.product_stride)));
}

void finish(const FinishOutputs& f) {
  for (std::size_t pixel = 0; pixel < f.pixels; ++pixel) {
    float* target = f.target + pixel * f.pixel_stride;
    for (std::size_t channel = 0; channel < f.channels; channel += Vector::width) {
      const Vector value = f.pooled ? largest_of_window(f, pixel, channel)
                                    : load(f.product + pixel * f.product_stride + channel);
      store(target + channel, rectify(value + load(f.bias + channel)));
    }
  }
}

}  // namespace graft::cpu::GRAFT_ISA
