#pragma once
// The trained classifier as a file for other programs.
//   .onnx  images         uint8 N × height × width × 3, RGB, of data.image_size; of the head alone:
//          features       float N × feature shape, as in features.npy, all views of a photo in a row
//          probabilities  float N × classes; preprocessing, views and pooling are those of the config
//   .h5    the head as weights of Keras' Sequential([Flatten(), Dense, Dropout, …, Dense])

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>

#include "engine/job/job.h"

namespace graft {

struct ExportOptions {
  std::filesystem::path file;
  bool half = false;       // .onnx: kernels are stored as fp16
  bool head_only = false;  // .onnx: it takes features
  std::string version;     // of this program
};
// Needs no device. Returns the size of the file, which replaces an existing one when it is complete.
// Throws Error(usage) for options that do not fit the file's ending, for weights or settings that the
// classifier was not trained with, and what OnnxWriter::save throws.
std::uint64_t export_run(const FinishedRun& run, const ExportOptions& options,
                         const std::stop_token& stop);

}  // namespace graft
