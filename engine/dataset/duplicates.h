#pragma once
// Pictures that stand in both train and validation make the validation accuracy look too good.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/observer.h"
#include "engine/dataset/dataset.h"

namespace graft {

struct SharedImages {
  std::uint64_t pairs = 0;       // of a train file and a validation file with the same bytes
  std::uint64_t validation = 0;  // validation files that have such a twin
  // The first pairs, in the order of the validation files: indices of train and validation samples.
  std::vector<std::pair<std::size_t, std::size_t>> named;
};

SharedImages find_shared_images(const Datasets& datasets, std::size_t named_at_most);

// Warns when there are any, with up to ten pairs.
void warn_of_shared_images(const Datasets& datasets, Observer& observer);

}  // namespace graft
