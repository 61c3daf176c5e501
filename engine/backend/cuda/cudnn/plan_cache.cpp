#include "engine/backend/cuda/cudnn/plan_cache.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <system_error>

#include "engine/backend/cuda/runtime/errors.h"
#include "engine/base/digest.h"
#include "engine/base/error.h"
#include "engine/base/file.h"

namespace graft::cuda {
namespace {

using nlohmann::json;

constexpr const char* format = "graft convolution plan 1";
constexpr std::uint64_t largest_file = std::uint64_t{64} << 20U;

std::string digest_of_entry(const std::string& key, bool fused, const std::string& plan) {
  return digest_of(json{key, fused, plan}.dump()).hex();
}

std::string text_for(const std::string& key, const ConvolutionPlan& plan) {
  const bool fused = plan.problem().bias_relu;
  const std::string text = plan.serialised();
  return json{{"format", format},
              {"key", key},
              {"fused", fused},
              {"plan", text},
              {"digest", digest_of_entry(key, fused, text)}}
             .dump(1) +
         '\n';
}

// Throws what is wrong with the text.
ConvolutionPlan plan_from(const std::string& text, const std::string& key,
                          const CudnnDevice& device, ConvolutionProblem problem) {
  const json entry = json::parse(text);
  if (entry.at("format") != format) throw Error(ErrorKind::data, "it is of another version");
  if (entry.at("key") != key) throw Error(ErrorKind::data, "it is for something else");
  const bool fused = entry.at("fused").get<bool>();
  const std::string plan = entry.at("plan").get<std::string>();
  if (entry.at("digest") != digest_of_entry(key, fused, plan)) {
    throw Error(ErrorKind::data, "its digest is wrong");
  }
  if (fused && !problem.bias_relu) {
    throw Error(ErrorKind::data, "it has a bias where there is none");
  }
  problem.bias_relu = fused;
  return ConvolutionPlan::deserialised(device, problem, plan);
}

}  // namespace

PlanCache::PlanCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

std::shared_ptr<const ConvolutionPlan> PlanCache::get(
    const CudnnDevice& device, const ConvolutionProblem& problem, const std::string& chosen_by,
    const std::function<ConvolutionPlan()>& make) {
  const std::string key =
      fmt::format("{}; by {}; {}", text_of(problem), chosen_by, device.identity());
  auto& plan = plans_[key];
  if (plan) return plan;
  const auto path = folder_ / (digest_of(key).hex() + ".plan");
  plan = read(path, key, device, problem);
  if (plan) return plan;
  plan = std::make_shared<const ConvolutionPlan>(make());
  write(path, text_for(key, *plan));
  return plan;
}

std::shared_ptr<const ConvolutionPlan> PlanCache::read(const std::filesystem::path& path,
                                                       const std::string& key,
                                                       const CudnnDevice& device,
                                                       const ConvolutionProblem& problem) {
  std::error_code ignored;
  if (folder_.empty() || !std::filesystem::exists(path, ignored)) return nullptr;
  try {
    return std::make_shared<const ConvolutionPlan>(
        plan_from(read_text_file(path, largest_file), key, device, problem));
  } catch (const std::runtime_error& error) {  // Error, LibraryFailure
    remarks_.push_back(
        fmt::format("{} is not used, and made anew: {}", path.string(), error.what()));
  } catch (const json::exception& error) {
    remarks_.push_back(fmt::format("{} is not used, and made anew: it is damaged ({})",
                                   path.string(), error.what()));
  }
  return nullptr;
}

void PlanCache::write(const std::filesystem::path& path, const std::string& text) {
  if (folder_.empty() || !writable_) return;
  try {
    make_folder(folder_);
    write_file_whole(path, text);
  } catch (const Error& error) {
    writable_ = false;
    remarks_.push_back(fmt::format("plans are not kept for the next run: {}", error.what()));
  }
}

}  // namespace graft::cuda
