#pragma once
// In place of the header of the same name: what PlanCache uses, without CUDA.

#include <string>
#include <utility>
#include <vector>

namespace graft::cuda {

struct CudnnDevice {
  std::string identity() const { return "a device"; }
};

struct ConvolutionProblem {
  bool bias_relu = true;
};
inline std::string text_of(const ConvolutionProblem&) {
  return "a problem";
}

enum class ChosenBy { heuristics, time };
using Warnings = std::vector<std::string>;

class ConvolutionPlan {
 public:
  ConvolutionPlan(ConvolutionProblem problem, std::string text)
      : problem_(problem), text_(std::move(text)) {}
  static ConvolutionPlan deserialised(const CudnnDevice&, ConvolutionProblem problem, ChosenBy,
                                      std::string text) {
    return {problem, std::move(text)};
  }
  const std::string& serialised() const { return text_; }
  const ConvolutionProblem& problem() const { return problem_; }

 private:
  ConvolutionProblem problem_;
  std::string text_;
};

}  // namespace graft::cuda
