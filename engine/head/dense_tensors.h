#pragma once
// The layers of a head by name and shape, and their way into and out of safetensors files. Layer 0
// is "dense", layer 1 "dense_1", … (Keras' names); each has NAME/kernel (inputs × outputs) and
// NAME/bias.

#include <cstddef>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/weights/safetensors.h"

namespace graft {

struct DenseShape {
  std::size_t inputs = 0;
  std::size_t outputs = 0;
  bool operator==(const DenseShape&) const = default;
};

// One per Dense, first to last. Throws Error(usage) for a layer of no units, for more than 256
// layers (a random stream numbers them in a byte) and for sizes that no memory holds.
std::vector<DenseShape> dense_shapes(const HeadOptions& options);

std::string dense_name(std::size_t layer);

// Appends PREFIXdense/kernel, PREFIXdense/bias, …: views of `parameters`, which must stay alive.
void append_tensors(const std::vector<DenseParameters>& parameters, const std::string& prefix,
                    std::vector<TensorView>& tensors);

// Copies the tensors of these shapes. Throws Error(weights) that names the file, the tensor and
// what is wrong: it is absent, its shape is another, a value is not finite.
std::vector<DenseParameters> read_tensors(const SafetensorsFile& file,
                                          const std::filesystem::path& path,
                                          const std::string& prefix,
                                          const std::vector<DenseShape>& shapes);

}  // namespace graft
