#pragma once
// Plans that were chosen before: in memory for this process, in a folder for the next. A file that
// cannot be read, is damaged, can be written by other users, or holds a plan for another problem,
// device, driver or cuDNN is not used: the plan is made again and the file replaced. A folder that
// other users can write is neither read nor written. One thread at a time.
//
// A file FOLDER/DIGEST.plan (digest of the key) is one JSON object, written completely or not at all:
//   format   "graft convolution plan 2"
//   key      problem, way of choosing and device, in words
//   fused    whether bias and ReLU are in the plan
//   plan     cuDNN's own text
//   digest   of key, fused and plan

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "engine/backend/cuda/cudnn/convolution.h"

namespace graft::cuda {

class PlanCache {
 public:
  // An empty path: memory only. The folder is made when the first file is written.
  explicit PlanCache(std::filesystem::path folder = {});

  // The plan for this problem (its bias_relu: may be fused), device and way of choosing: from
  // memory, else from the folder, else from make(), whose result is kept in both.
  std::shared_ptr<const ConvolutionPlan> get(const CudnnDevice& device,
                                             const ConvolutionProblem& problem, ChosenBy chosen_by,
                                             const std::function<ConvolutionPlan()>& make);

  // Problems with the folder: files that were replaced, and the first that could not be written (no
  // others are tried then). make() adds the plans that it skipped.
  Warnings& warnings() { return warnings_; }
  Warnings take_warnings() { return std::exchange(warnings_, {}); }

 private:
  void write(const std::filesystem::path& path, const std::string& text);

  std::filesystem::path folder_;
  bool writable_ = true;
  std::map<std::string, std::shared_ptr<const ConvolutionPlan>> plans_;
  Warnings warnings_;
};

}  // namespace graft::cuda
