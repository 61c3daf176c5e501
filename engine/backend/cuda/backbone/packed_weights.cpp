#include "engine/backend/cuda/backbone/packed_weights.h"

#include <cmath>
#include <cstring>
#include <type_traits>

#include "engine/backend/arithmetic.h"
#include "engine/backend/checks.h"
#include "engine/backend/cuda/cudnn/storage_type.h"
#include "engine/base/error.h"

namespace graft::cuda {
namespace {

template <typename T>
T stored(float value, const Vgg16Layer& layer) {
  if constexpr (std::is_same_v<T, __half>) {
    const __half half = __float2half_rn(value);
    if (!std::isfinite(__half2float(half))) {
      throw Error(ErrorKind::usage,
                  "The weights of {} hold {}, which is beyond fp16; choose backbone.precision "
                  "\"bf16\" or \"fp32\".",
                  layer.name, value);
    }
    return half;
  } else if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    return __float2bfloat16_rn(value);
  } else {
    return value;
  }
}

// 3 × 3 × inputs × outputs to outputs × 3 × 3 × padded inputs; `to` is zero.
template <typename T>
void pack_filters(T* to, std::size_t padded_inputs, const std::vector<float>& kernel,
                  const Vgg16Layer& layer) {
  const std::size_t inputs = layer.input_channels, outputs = layer.output_channels;
  for (std::size_t output = 0; output < outputs; ++output) {
    for (std::size_t tap = 0; tap < 9; ++tap) {
      for (std::size_t input = 0; input < inputs; ++input) {
        to[(output * 9 + tap) * padded_inputs + input] =
            stored<T>(kernel[(tap * inputs + input) * outputs + output], layer);
      }
    }
  }
}

template <typename T>
void pack_layers(std::byte* to, const Vgg16Weights& weights, const BackboneSpec& spec) {
  for (std::size_t i = 0; i < spec.shapes.size(); ++i) {
    const Vgg16Layer& layer = vgg16_layers[i];
    const ConvolutionWeights& from = weights.layers[i];
    pack_filters(reinterpret_cast<T*>(to + spec.weights.filters[i]), spec.shapes[i].inputs,
                 from.kernel, layer);
    auto* stored_bias = reinterpret_cast<T*>(to + spec.weights.stored_bias[i]);
    for (const float value : from.bias) *stored_bias++ = stored<T>(value, layer);
    std::memcpy(to + spec.weights.bias[i], from.bias.data(), from.bias.size() * sizeof(float));
  }
}

}  // namespace

std::vector<std::byte> packed_weights(const Vgg16Weights& weights, const BackboneSpec& spec) {
  check_weights(weights);
  std::vector<std::byte> bytes(spec.weights.bytes);
  with_storage_type(spec.options.precision,
                    [&](auto zero) { pack_layers<decltype(zero)>(bytes.data(), weights, spec); });
  const PixelTables tables = pixel_tables(spec.options.preprocess);
  std::memcpy(bytes.data() + spec.weights.tables, tables.value, sizeof tables.value);
  return bytes;
}

}  // namespace graft::cuda
