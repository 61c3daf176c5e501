#include "bench/cuda/kernel_suite.h"

#include <set>
#include <utility>

#include "engine/backend/cuda/backbone_memory.h"

namespace graft::bench {
namespace {

// tf32 is an arithmetic; its planes are stored as those of fp32.
Precision storage_of(Precision precision) {
  return precision == Precision::tf32 ? Precision::fp32 : precision;
}

ListedCase listed(const DeviceContext& context, Precision storage, KernelAt at) {
  Case what = named_case(Suite::kernels, at.kernel, std::move(at.axes));
  what.cost = {0.0, at.bytes, storage};
  what.clock = Clock::device;
  return {what, [&context, name = what.name, make = std::move(at.make)] {
            return prepare_work(context, name, make);
          }};
}

}  // namespace

CaseList kernel_cases(const DeviceContext& context, const Axes& axes) {
  CaseList list;
  const auto add = [&](Precision storage, std::vector<KernelAt> kernels) {
    for (KernelAt& at : kernels) list.push_back(listed(context, storage, std::move(at)));
  };
  std::set<Precision> storages;
  for (const Precision precision : axes.precisions) storages.insert(storage_of(precision));
  for (const ImageSize size : axes.sizes) {
    for (const std::size_t batch : axes.batches) {
      BackboneOptions options;
      options.image_size = size;
      options.batch_size = batch;
      for (const Precision storage : storages) {
        options.precision = storage;
        cuda::backbone_memory(options, 0);  // refuses what no device serves
        add(storage, plane_kernels(storage, options));
      }
      add(Precision::fp32, head_kernels(batch, vgg16_feature_shape(size).count()));
    }
  }
  return list;
}

}  // namespace graft::bench
