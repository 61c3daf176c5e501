#pragma once
// The split of one folder into train and validation.

#include "engine/dataset/dataset.h"

namespace graft {

// A file's side depends on its content alone: the digest, as a number u in [0, 1), is compared with
// `share`, and u < share goes to validation. So the split stays when files are added, removed or
// renamed, and copies of a picture land on one side. It holds class by class, up to chance.
// A class that would have nothing on a side gets the content with its smallest u (validation) or
// its largest u (train) moved there. Throws Error(data) for a class with fewer than two different
// pictures. Files that were skipped stay listed with train.
Datasets split_by_content(Dataset all, double share);

// The number u of a digest.
double split_position(const Digest& content);

}  // namespace graft
