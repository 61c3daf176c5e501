#include "engine/config/config.h"

namespace graft {

std::string_view name_of(Resize value) {
  switch (value) {
    case Resize::nearest:
      return "nearest";
    case Resize::bilinear:
      return "bilinear";
    case Resize::bicubic:
      return "bicubic";
    case Resize::lanczos:
      return "lanczos";
  }
  return "";
}

std::string_view name_of(Preprocess value) {
  switch (value) {
    case Preprocess::rescale:
      return "rescale";
    case Preprocess::caffe:
      return "caffe";
    case Preprocess::torch:
      return "torch";
  }
  return "";
}

std::string_view name_of(OnBadImage value) {
  return value == OnBadImage::stop ? "stop" : "skip";
}

std::string_view name_of(Gray16 value) {
  return value == Gray16::high_byte ? "high_byte" : "clip";
}

std::string_view name_of(Precision value) {
  switch (value) {
    case Precision::fp32:
      return "fp32";
    case Precision::tf32:
      return "tf32";
    case Precision::fp16:
      return "fp16";
    case Precision::bf16:
      return "bf16";
  }
  return "";
}

std::string_view name_of(ConvolutionAlgorithm value) {
  switch (value) {
    case ConvolutionAlgorithm::automatic:
      return "auto";
    case ConvolutionAlgorithm::winograd:
      return "winograd";
    case ConvolutionAlgorithm::direct:
      return "direct";
  }
  return "";
}

}  // namespace graft
