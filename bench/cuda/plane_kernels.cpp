// The kernels of the backbone.

#include <array>
#include <string>

#include "bench/cuda/kernel_suite.h"
#include "engine/backend/cuda/backbone_memory.h"
#include "engine/backend/cuda/cudnn_convolution.h"
#include "engine/backend/cuda/storage_type.h"
#include "kernels/cuda/bias_relu.h"
#include "kernels/cuda/bias_relu_max_pool.h"
#include "kernels/cuda/cast_features.h"
#include "kernels/cuda/preprocess.h"

namespace graft::bench {
namespace {

using AxisValues = std::vector<std::pair<std::string, std::string>>;

AxisValues at(Precision storage, std::initializer_list<std::pair<const char*, std::size_t>> sizes) {
  AxisValues axes = {{"precision", std::string(name_of(storage))}};
  for (const auto& [name, value] : sizes) axes.emplace_back(name, std::to_string(value));
  return axes;
}
double moved(const cuda::MovedBytes& bytes) {
  return static_cast<double>(bytes.total());
}

KernelAt preprocess(Precision storage, std::size_t pixels) {
  const std::size_t channels = cuda::input_channels(storage);
  const std::size_t value = storage_bytes(storage);
  return {"preprocess", at(storage, {{"pixels", pixels}, {"channels", channels}}),
          moved(cuda::preprocess_bytes(value, pixels, channels)), [=](Arrays& arrays) {
            const auto* rgb = arrays.numbers<std::uint8_t>(3 * pixels);
            const cuda::DevicePixelTables tables = {arrays.numbers<float>(std::size_t{3} * 256),
                                                    {0, 1, 2}};
            return cuda::with_storage_type(storage, [&](auto zero) -> Work {
              using T = decltype(zero);
              auto* out = arrays.zeros<T>(pixels * channels);
              return [=](cudaStream_t stream) {
                cuda::preprocess(out, rgb, tables, pixels, channels, stream);
              };
            });
          }};
}

// The biases are 0: the kernel works in place, and a plane that is read again must not grow.
KernelAt bias_relu(Precision storage, std::size_t pixels, std::size_t channels) {
  return {"bias_relu", at(storage, {{"pixels", pixels}, {"channels", channels}}),
          moved(cuda::bias_relu_bytes(storage_bytes(storage), pixels, channels)),
          [=](Arrays& arrays) {
            const auto* bias = arrays.zeros<float>(channels);
            return cuda::with_storage_type(storage, [&](auto zero) -> Work {
              using T = decltype(zero);
              auto* values = arrays.numbers<T>(pixels * channels);
              return [=](cudaStream_t stream) {
                cuda::bias_relu(values, bias, pixels, channels, stream);
              };
            });
          }};
}

KernelAt bias_relu_max_pool(Precision storage, const cuda::PlaneShape& shape) {
  return {"bias_relu_max_pool",
          at(storage, {{"images", shape.images},
                       {"height", shape.height},
                       {"width", shape.width},
                       {"channels", shape.channels}}),
          moved(cuda::bias_relu_max_pool_bytes(storage_bytes(storage), shape)),
          [=](Arrays& arrays) {
            const std::size_t images = shape.images * shape.channels;
            const auto* bias = arrays.zeros<float>(shape.channels);
            return cuda::with_storage_type(storage, [&](auto zero) -> Work {
              using T = decltype(zero);
              const auto* in = arrays.numbers<T>(images * shape.height * shape.width);
              auto* out = arrays.zeros<T>(images * (shape.height / 2) * (shape.width / 2));
              return [=](cudaStream_t stream) {
                cuda::bias_relu_max_pool(out, in, bias, shape, stream);
              };
            });
          }};
}

KernelAt cast_features(Precision storage, std::size_t count) {
  return {"cast_features", at(storage, {{"values", count}}),
          moved(cuda::cast_features_bytes(storage_bytes(storage), count)),
          [=](Arrays& arrays) {
            auto* out = arrays.zeros<float>(count);
            return cuda::with_storage_type(storage, [&](auto zero) -> Work {
              using T = decltype(zero);
              const auto* in = arrays.numbers<T>(count);
              return [=](cudaStream_t stream) { cuda::cast_features(out, in, count, stream); };
            });
          }};
}

}  // namespace

std::vector<KernelAt> plane_kernels(Precision storage, const BackboneOptions& options) {
  const std::size_t batch = options.batch_size;
  std::vector<KernelAt> kernels;
  kernels.push_back(
      preprocess(storage, batch * options.image_size.height * options.image_size.width));
  for (const LayerShape& layer : cuda::layer_shapes(options)) {
    if (layer.pool_after) {
      kernels.push_back(
          bias_relu_max_pool(storage, {batch, layer.height, layer.width, layer.outputs}));
    } else {
      kernels.push_back(bias_relu(storage, batch * layer.height * layer.width, layer.outputs));
    }
  }
  kernels.push_back(
      cast_features(storage, batch * vgg16_feature_shape(options.image_size).count()));
  return kernels;
}

}  // namespace graft::bench
