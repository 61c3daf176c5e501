#include "engine/backend/cuda/cudnn/descriptor.h"

#include <string>

#include "engine/backend/cuda/runtime/errors.h"

namespace graft::cuda {

void check_cudnn(cudnnStatus_t status, std::string_view expression, std::string_view file,
                 int line) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  // cuDNN's explanation may have lines of advice: the first line is kept.
  char last[1024] = {};
  cudnnGetLastErrorString(last, sizeof last);
  std::string_view meaning = last;
  meaning = meaning.substr(0, meaning.find('\n'));
  throw LibraryFailure({static_cast<int>(status), cudnnGetErrorString(status), meaning}, expression,
                       file, line);
}

Descriptor::Descriptor(cudnnBackendDescriptorType_t type) {
  GRAFT_CUDNN_CHECK(cudnnBackendCreateDescriptor(type, &descriptor_));
}

Descriptor::~Descriptor() {
  if (descriptor_ != nullptr) cudnnBackendDestroyDescriptor(descriptor_);
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                            std::int64_t count, const void* values) {
  GRAFT_CUDNN_CHECK(cudnnBackendSetAttribute(descriptor_, name, type, count, values));
  return *this;
}

Descriptor& Descriptor::finalize() {
  GRAFT_CUDNN_CHECK(cudnnBackendFinalize(descriptor_));
  return *this;
}

std::int64_t Descriptor::read(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                              std::int64_t most, void* values) const {
  std::int64_t count = 0;
  GRAFT_CUDNN_CHECK(cudnnBackendGetAttribute(descriptor_, name, type, most, &count, values));
  return count;
}

}  // namespace graft::cuda
