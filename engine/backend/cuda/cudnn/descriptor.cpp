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

}  // namespace graft::cuda
