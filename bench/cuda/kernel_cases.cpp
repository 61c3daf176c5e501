// The hand-written kernels: those of the backbone, and the list of all cases.

#include <set>
#include <string>
#include <utility>

#include "bench/cuda/cuda_cases.h"
#include "engine/backend/backend.h"
#include "engine/backend/cuda/backbone/backbone_spec.h"
#include "engine/backend/cuda/cudnn/storage_type.h"
#include "engine/vgg16/vgg16.h"
#include "kernels/cuda/bias_relu.h"
#include "kernels/cuda/bias_relu_max_pool.h"
#include "kernels/cuda/cast_features.h"
#include "kernels/cuda/global_pool.h"
#include "kernels/cuda/preprocess.h"

namespace graft::bench {
namespace {

KernelWork preprocess(Precision storage, std::size_t pixels) {
  const std::size_t channels = cuda::input_channels(storage);
  const std::size_t value = storage_bytes(storage);
  return {"preprocess", number_axes({{"pixels", pixels}, {"channels", channels}}),
          cuda::preprocess_bytes(value, pixels, channels), [=](Arrays& arrays) {
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

// The biases are 0: the kernel works in place, and repeated execution must not change the values.
KernelWork bias_relu(Precision storage, std::size_t pixels, std::size_t channels) {
  return {"bias_relu", number_axes({{"pixels", pixels}, {"channels", channels}}),
          cuda::bias_relu_bytes(storage_bytes(storage), pixels, channels), [=](Arrays& arrays) {
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

KernelWork bias_relu_max_pool(Precision storage, const cuda::BatchShape& shape) {
  return {"bias_relu_max_pool",
          number_axes({{"images", shape.images},
                       {"height", shape.height},
                       {"width", shape.width},
                       {"channels", shape.channels}}),
          cuda::bias_relu_max_pool_bytes(storage_bytes(storage), shape), [=](Arrays& arrays) {
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

// A layer's outputs, for both statistics.
KernelWork global_pool(Precision storage, const cuda::BatchShape& shape) {
  return {
      "global_pool",
      number_axes({{"images", shape.images},
                   {"height", shape.height},
                   {"width", shape.width},
                   {"channels", shape.channels}}),
      cuda::global_pool_bytes(storage_bytes(storage), shape, 2), [=](Arrays& arrays) {
        const std::size_t channels = shape.images * shape.channels;
        auto* out = arrays.zeros<float>(2 * channels);
        return cuda::with_storage_type(storage, [&](auto zero) -> Work {
          using T = decltype(zero);
          const auto* in = arrays.numbers<T>(channels * shape.height * shape.width);
          return [=](cudaStream_t stream) {
            cuda::global_pool({out, out + shape.channels, 2 * shape.channels}, in, shape, stream);
          };
        });
      }};
}

KernelWork cast_features(Precision storage, std::size_t count) {
  return {"cast_features", number_axes({{"values", count}}),
          cuda::cast_features_bytes(storage_bytes(storage), count), [=](Arrays& arrays) {
            auto* out = arrays.zeros<float>(count);
            return cuda::with_storage_type(storage, [&](auto zero) -> Work {
              using T = decltype(zero);
              const auto* in = arrays.numbers<T>(count);
              return [=](cudaStream_t stream) { cuda::cast_features(out, in, count, stream); };
            });
          }};
}

std::vector<KernelWork> backbone_kernels(Precision storage, const cuda::BackboneSpec& spec) {
  const std::size_t batch = spec.options.batch_size;
  std::vector<KernelWork> kernels;
  kernels.push_back(preprocess(storage, spec.pixels()));
  for (const LayerShape& layer : spec.shapes) {
    if (layer.pool_after) {
      kernels.push_back(
          bias_relu_max_pool(storage, {batch, layer.height, layer.width, layer.outputs}));
      kernels.push_back(global_pool(
          storage, {batch, layer.output_height(), layer.output_width(), layer.outputs}));
    } else {
      kernels.push_back(bias_relu(storage, batch * layer.height * layer.width, layer.outputs));
    }
  }
  kernels.push_back(cast_features(storage, batch * spec.feature_count));
  return kernels;
}

Case listed(const DeviceContext& context, Precision storage, KernelWork work) {
  work.axes.insert(work.axes.begin(), {"precision", std::string(name_of(storage))});
  Case what = named_case(Suite::kernels, work.kernel, std::move(work.axes));
  what.cost = {0.0, static_cast<double>(work.bytes.total()), storage};
  what.clock = Clock::device;
  what.prepare = [&context, name = what.name, make = std::move(work.make)] {
    return prepare_work(context, name, make);
  };
  return what;
}

}  // namespace

std::vector<Case> kernel_cases(const DeviceContext& context, const Axes& axes) {
  std::vector<Case> list;
  const auto add = [&](Precision storage, std::vector<KernelWork> kernels) {
    for (KernelWork& work : kernels) list.push_back(listed(context, storage, std::move(work)));
  };
  std::set<Precision> storages;
  for (const Precision precision : axes.precisions) storages.insert(storage_precision(precision));
  for (const ImageSize size : axes.sizes) {
    for (const std::size_t batch : axes.batches) {
      BackboneOptions options;
      options.image_size = size;
      options.batch_size = batch;
      for (const Precision storage : storages) {
        options.precision = storage;
        // Throws for unsupported axes.
        add(storage, backbone_kernels(storage, cuda::BackboneSpec(options)));
      }
      add(Precision::fp32, head_kernels(batch, vgg16_feature_shape(size).count()));
    }
  }
  for (Case& launch : launch_cases(context)) list.push_back(std::move(launch));
  return without_repeats(list);
}

}  // namespace graft::bench
