#pragma once
// Names, axes and costs of cases.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/harness/case.h"
#include "engine/vgg16/vgg16.h"

namespace graft::bench {

// "150", or "150x224" (height first) for an image that is not square.
std::string size_text(ImageSize size);

AxisValues number_axes(std::initializer_list<std::pair<const char*, std::size_t>> values);

// A case with the name SUITE/WORK/AXES, such as layers/block1_conv2/winograd/fp32/size:150/batch:8.
// The axis "precision" appears in it without its name.
Case named_case(Suite suite, std::string_view work, AxisValues axes);

// The cases without those whose name an earlier one has: layers of a network share shapes, and two
// image sizes can have the same number of features.
std::vector<Case> without_repeats(const std::vector<Case>& cases);

// Of a convolution of VGG16 with its bias, ReLU and pool, the same for every algorithm. What an
// algorithm moves beyond it, such as the activations before a pool, lowers its share.
Cost layer_cost(const LayerShape& shape, std::size_t images, Precision precision);

}  // namespace graft::bench
