#pragma once
// A device as cuDNN sees it: the one at hand, or a description of one that is absent.

#include <cstddef>
#include <memory>
#include <string>

#include "engine/backend/cuda/cudnn/descriptor.h"
#include "engine/backend/cuda_module.h"

namespace graft::cuda {

// Copies share one handle. One thread at a time.
class CudnnDevice {
 public:
  // The current device of the calling thread. Throws Error(device) when the loaded cuDNN does not
  // fit (check_cudnn_version).
  static CudnnDevice current();
  // An absent device: its plans cannot run. Throws Error(device) as above, and for an architecture
  // that this cuDNN cannot plan for from a description.
  static CudnnDevice described(const GpuProperties& gpu);

  bool can_run() const { return handle_ != nullptr; }
  int compute_capability() const { return compute_capability_; }  // 80 for sm_80
  std::size_t memory() const { return memory_; }                  // bytes, all of it
  // All that a plan depends on: device, its sizes, cuDNN's version, the driver's. For keys.
  const std::string& identity() const { return identity_; }
  const std::shared_ptr<cudnnContext>& handle() const { return handle_; }  // null: absent device

  // Tell a descriptor its device: some take a handle, some properties.
  void give_handle(Descriptor& to, cudnnBackendAttributeName_t name) const {
    if (handle_) to.set(name, CUDNN_TYPE_HANDLE, {handle_.get()});
  }
  void give_properties(Descriptor& to, cudnnBackendAttributeName_t name) const {
    if (properties_) to.set(name, *properties_);
  }

 private:
  CudnnDevice() = default;

  std::shared_ptr<cudnnContext> handle_;
  std::shared_ptr<const Descriptor> properties_;  // of an absent device
  int compute_capability_ = 0;
  std::size_t memory_ = 0;
  std::string identity_;
};

// "9.19.0", of the loaded library.
std::string cudnn_version();
// Throws Error(device) for a library (91900 is 9.19.0) of another major version than the program
// was built for, or an older one.
void check_cudnn_version(std::size_t loaded);

}  // namespace graft::cuda
