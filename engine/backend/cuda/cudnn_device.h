#pragma once
// What a CudnnDevice holds. For the files cudnn_*.cpp alone.

#include <memory>
#include <optional>
#include <string>

#include "engine/backend/cuda/cudnn_convolution.h"
#include "engine/backend/cuda/cudnn_descriptor.h"

namespace graft::cuda {

struct CudnnDevice::State {
  struct DestroyHandle {
    void operator()(cudnnHandle_t handle) const { cudnnDestroy(handle); }
  };
  std::unique_ptr<cudnnContext, DestroyHandle> handle;  // where there is a device
  std::optional<Descriptor> properties;                 // where there is none
  int compute_capability = 0;
  std::string identity;

  // Tells a descriptor which device it is for: some take a handle, some properties.
  void give_handle(Descriptor& to, cudnnBackendAttributeName_t name) const {
    if (handle) to.set(name, CUDNN_TYPE_HANDLE, {handle.get()});
  }
  void give_properties(Descriptor& to, cudnnBackendAttributeName_t name) const {
    if (properties) to.set(name, *properties);
  }
};

}  // namespace graft::cuda
