#pragma once
// VGG16's convolutions by cuDNN: 3×3, stride 1, a border of one zero, activations in NHWC order.
// cuDNN's own types stay in the .cpp files of cudnn_*: everything else sees plans.
//
// A plan is one engine of cuDNN with its settings, for one problem on one kind of device. It can be
// built for a device that is not there (to see what it would be), and run where there is one.
//
// Calls throw LibraryFailure (errors.h) or Failure (kernels/cuda/check.h) when cuDNN or the runtime
// refuses, and Error(device) with a sentence for what no plan can serve.

#include <cuda_runtime_api.h>

#include <compare>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/backend/cuda_module.h"
#include "engine/config/config.h"

namespace graft::cuda {

// ---- What is to be computed ----

// y = x ∗ filters, or max(x ∗ filters + bias, 0) where bias_relu.
//   x        batch × height × width × input_channels    storage type
//   filters  output_channels × 3 × 3 × input_channels   storage type ("KRSC")
//   bias     output_channels                            storage type
//   y        batch × height × width × output_channels   storage type
// The storage type is float for fp32 and tf32, __half for fp16, __nv_bfloat16 for bf16; products
// are summed in float. fp32 takes no engine that rounds its inputs (tensor cores with TF32).
struct ConvolutionProblem {
  std::size_t batch = 0, height = 0, width = 0;
  std::size_t input_channels = 0, output_channels = 0;
  Precision precision = Precision::fp32;
  bool bias_relu = false;

  double flop() const;   // 2 × multiplications, the border's counted too
  double bytes() const;  // x, filters and y, each once, and the bias where it is used
  auto operator<=>(const ConvolutionProblem&) const = default;
};

// "32x150x150, 64 to 128 channels, fp16, with bias and ReLU": for people, and for keys.
std::string text_of(const ConvolutionProblem& problem);


// ---- Where ----

// What plans are built for. Copies share one handle. One thread at a time.
class CudnnDevice {
 public:
  // The current device of the calling thread. Throws Error(device) when the cuDNN that was loaded
  // is not fit (check_cudnn_version).
  static CudnnDevice current();
  // One that need not be there: its plans cannot run. Throws Error(device) as above, and for an
  // architecture that this cuDNN cannot plan for from a description.
  static CudnnDevice described(const GpuProperties& gpu);

  bool can_run() const;
  int compute_capability() const;  // 80 for sm_80
  // All that a plan depends on: device, its sizes, cuDNN's version, the driver's. For keys.
  const std::string& identity() const;

  struct State;  // cudnn_device.h
  const std::shared_ptr<State>& state() const { return state_; }

 private:
  explicit CudnnDevice(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// "9.19.0", of the library that is loaded.
std::string cudnn_version();
// Throws Error(device) for a library (91900 is 9.19.0) of another major version than the program
// was built for, or an older one.
void check_cudnn_version(std::size_t loaded);

// ---- How ----

// Move-only; keeps its device's handle alive.
class ConvolutionPlan {
 public:
  ConvolutionPlan(ConvolutionPlan&& other) noexcept;
  ConvolutionPlan& operator=(ConvolutionPlan&& other) noexcept;
  ConvolutionPlan(const ConvolutionPlan&) = delete;
  ConvolutionPlan& operator=(const ConvolutionPlan&) = delete;
  ~ConvolutionPlan();

  // Reads what serialised() gave. Throws when it was made for another problem, device, driver or
  // cuDNN, or is of an engine that candidates() leaves out.
  static ConvolutionPlan deserialised(const CudnnDevice& device, const ConvolutionProblem& problem,
                                      const std::string& text);
  std::string serialised() const;

  const ConvolutionProblem& problem() const;
  std::size_t workspace_bytes() const;
  // cuDNN's number of the engine and its knobs: "engine 28, TILE_SIZE 2, STAGES 0". With the
  // problem and the device it names the arithmetic.
  const std::string& engine() const;
  // "tensor core", "Winograd", "FFT", … in cuDNN's order.
  const std::vector<std::string>& notes() const;

  // Enqueues the convolution; may be captured. Pointers are to the device's memory, aligned to 16
  // bytes, without overlap; `bias` is read where problem().bias_relu, `workspace` has
  // workspace_bytes() and may be null where that is 0. All must live until the work is done.
  void run(cudaStream_t stream, const void* x, const void* filters, const void* bias, void* y,
           void* workspace) const;

  struct State;  // cudnn_plan.h
  explicit ConvolutionPlan(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

// Every plan that cuDNN has for this problem and that keeps its promises, best first: by the
// heuristics that know the device ("mode A"), then the fallback engines, each once. Left out are
// engines that are not deterministic, those whose sums depend on an image's place in the batch
// (stream-K), those that the precision does not allow, and those whose plan cannot be built. May be
// empty. Throws Error(device) for a precision that the device does not have
// (bf16 and tf32 below sm_80).
std::vector<ConvolutionPlan> candidates(const CudnnDevice& device,
                                        const ConvolutionProblem& problem);
// The first of candidates(), if there is one, without building the others.
std::vector<ConvolutionPlan> first_candidate(const CudnnDevice& device,
                                             const ConvolutionProblem& problem);

}  // namespace graft::cuda
