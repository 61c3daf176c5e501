#pragma once
// VGG16's convolutions in HDF5 files of Keras. The file knows its path for messages.

#include "engine/weights/convolution_files.h"
#include "tools/hdf5/hdf5_file.h"

namespace graft {

// Their source is "Keras 2 HDF5" or "Keras 3 HDF5". Throws Error(weights), as Hdf5File does.
ConvolutionFile read_keras_convolutions(const Hdf5File& file, std::span<const Vgg16Layer> layers);

// The datasets of any HDF5 file.
WeightsFileSummary describe_keras_file(const Hdf5File& file);

}  // namespace graft
