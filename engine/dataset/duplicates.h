#pragma once
// Images that are in both train and validation: they make the validation accuracy look too good.

#include "engine/base/observer.h"
#include "engine/dataset/dataset.h"

namespace graft {

// Warns when there are any (same bytes), with up to ten pairs in the order of the validation files.
void warn_of_shared_images(const Datasets& datasets, Observer& observer);

}  // namespace graft
