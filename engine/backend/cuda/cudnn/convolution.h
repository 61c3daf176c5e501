#pragma once
// VGG16's convolutions by cuDNN: 3×3, stride 1, zero padding 1, activations in NHWC order.
//
// A plan is one engine of cuDNN with its settings, for one problem on one kind of device. It can be
// built for an absent device (to inspect it), and runs on a present one.
//
// Calls throw LibraryFailure (errors.h) or Failure (kernels/cuda/check.h) when cuDNN or the runtime
// refuses, and Error(device) with a sentence for what no plan can serve.

#include <cuda_runtime_api.h>

#include <compare>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/backend/cuda/cudnn/descriptor.h"
#include "engine/backend/cuda/cudnn/device.h"
#include "engine/backend/cuda/runtime/errors.h"
#include "engine/vgg16/vgg16.h"

namespace graft::cuda {

// y = x ∗ filters, or max(x ∗ filters + bias, 0) where bias_relu.
//   x        batch × height × width × input_channels    storage type
//   filters  output_channels × 3 × 3 × input_channels   storage type ("KRSC")
//   bias     output_channels                            storage type
//   y        batch × height × width × output_channels   storage type
// Storage types: storage_type.h. Products are summed in float. fp32 takes no engine that rounds its
// inputs (tensor cores with TF32).
struct ConvolutionProblem {
  std::size_t batch = 0, height = 0, width = 0;
  std::size_t input_channels = 0, output_channels = 0;
  Precision precision = Precision::fp32;
  bool bias_relu = false;

  std::size_t pixels() const { return batch * height * width; }
  std::size_t weights() const { return 9 * input_channels * output_channels; }
  double flop() const;   // 2 × multiplications, the padding's counted too
  double bytes() const;  // x, filters and y, each once, and the bias where it is used
  auto operator<=>(const ConvolutionProblem&) const = default;
};

// "32x150x150, 64 to 128 channels, fp16, with bias and ReLU": for people, and for keys.
std::string text_of(const ConvolutionProblem& problem);

// What chooses among a problem's plans: cuDNN's heuristics, or the time of each (autotune).
enum class ChosenBy { heuristics, time };

// Move-only; keeps its device's handle alive.
class ConvolutionPlan {
 public:
  // `plan` is finalized.
  ConvolutionPlan(const CudnnDevice& device, const ConvolutionProblem& problem, Descriptor plan,
                  const std::vector<cudnnBackendNumericalNote_t>& notes);
  // Reads a text of serialised(). Throws when it was made for another problem, device, driver or
  // cuDNN, or is a plan that offer_plans() skips.
  static ConvolutionPlan deserialised(const CudnnDevice& device, const ConvolutionProblem& problem,
                                      ChosenBy chosen_by, const std::string& text);
  const std::string& serialised() const { return serialised_; }

  const ConvolutionProblem& problem() const { return problem_; }
  std::size_t workspace_bytes() const { return workspace_bytes_; }
  // cuDNN's number of the engine and its knobs: "engine 28, TILE_SIZE 2, STAGES 0". With the
  // problem and the device it names the arithmetic.
  const std::string& engine() const { return engine_; }
  // "tensor core", "Winograd", "FFT", … in cuDNN's order.
  const std::vector<std::string>& notes() const { return notes_; }

  // Enqueues the convolution; may be captured. Pointers are to the device's memory, aligned to 16
  // bytes, without overlap; `bias` is read where problem().bias_relu, `workspace` has
  // workspace_bytes() and may be null where that is 0. All must live until the work is done.
  void run(cudaStream_t stream, const void* x, const void* filters, const void* bias, void* y,
           void* workspace) const;

 private:
  std::shared_ptr<cudnnContext> handle_;
  ConvolutionProblem problem_;
  Descriptor plan_;
  std::size_t workspace_bytes_ = 0;
  std::string engine_;
  std::vector<std::string> notes_;
  std::string serialised_;
};

// Sentences for people, about what does not stop a run.
using Warnings = std::vector<std::string>;
// Moves from a plan that it takes, and returns whether it has taken it.
using TakePlan = std::function<bool(ConvolutionPlan&)>;

enum class PlanSource { heuristics, fallback };

// Offers the plans that cuDNN has for this problem, best first, each once, until one is taken. From
// the heuristics: those that know the device ("mode A"), then those for the next smaller batches,
// with the same engines and knobs. (In fp32 the heuristics cut their list, and tensor cores fill
// it.) By time the smaller batches are asked only where there is no plan yet. From the fallback:
// engines that are slow. Skipped are engines that are not deterministic, those that the precision
// does not allow, sums that depend on an image's place in the batch, workspaces above half of the
// GPU's memory and, by heuristics, engines that are compiled at run time. What cuDNN fails to build
// is skipped as skip_after() says. Throws Error(device) for a precision that the device does not
// have (bf16 and tf32 below sm_80).
void offer_plans(const CudnnDevice& device, const ConvolutionProblem& problem, PlanSource source,
                 ChosenBy chosen_by, Warnings& warnings, const TakePlan& take);

// In a catch: returns where `what` of cuDNN's, such as "engine 12", is to be skipped: with a warning,
// or with none where cuDNN does not support it. Throws Failure where it is the device that failed or
// has no memory left: the choice must not depend on its free memory.
void skip_after(const LibraryFailure& failure, const CudnnDevice& device,
                const ConvolutionProblem& problem, std::string_view what, Warnings& warnings);

// Adds that `what` was skipped, once for each reason. An engine is named by its number alone.
void warn_of_skipped(Warnings& warnings, const ConvolutionProblem& problem, std::string_view what,
                     std::string_view reason);

}  // namespace graft::cuda
