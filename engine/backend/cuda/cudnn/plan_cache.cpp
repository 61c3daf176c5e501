#include "engine/backend/cuda/cudnn/plan_cache.h"

#include <fmt/format.h>

#include <system_error>

#include "engine/backend/cuda/runtime/errors.h"
#include "engine/base/digest.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/json.h"
#include "engine/base/text.h"

namespace graft::cuda {
namespace {

constexpr const char* format = "graft convolution plan 2";
constexpr std::uint64_t largest_file = std::uint64_t{64} << 20U;

std::string digest_of_entry(const std::string& key, bool fused, const std::string& plan) {
  return digest_of(Json::array({key, fused, plan}).dump()).hex();
}

std::string text_for(const std::string& key, const ConvolutionPlan& plan) {
  const bool fused = plan.problem().bias_relu;
  const std::string& text = plan.serialised();
  return Json{{"format", format},
              {"key", key},
              {"fused", fused},
              {"plan", text},
              {"digest", digest_of_entry(key, fused, text)}}
             .dump(1) +
         '\n';
}

// Throws Error with what is wrong with the file.
ConvolutionPlan plan_in(const std::filesystem::path& path, const std::string& key,
                        const CudnnDevice& device, ConvolutionProblem problem, ChosenBy chosen_by) {
  const auto require = [](bool holds, const char* reason) {
    if (!holds) throw Error(ErrorKind::data, reason);
  };
  require(!others_can_write(path), "other users can write it");
  const Json entry =
      read_json(read_text_file(path, largest_file), shown(path), {.bytes = largest_file}).value;
  require(json_at<std::string>(entry, "format") == format, "it is of another version");
  require(json_at<std::string>(entry, "key") == key, "it is for something else");
  const bool fused = json_at<bool>(entry, "fused");
  const auto plan = json_at<std::string>(entry, "plan");
  require(json_at<std::string>(entry, "digest") == digest_of_entry(key, fused, plan),
          "its digest is wrong");
  require(!fused || problem.bias_relu, "its convolution has a bias, and the problem has none");
  problem.bias_relu = fused;
  return ConvolutionPlan::deserialised(device, problem, chosen_by, plan);
}

}  // namespace

PlanCache::PlanCache(std::filesystem::path folder) : folder_(std::move(folder)) {
  if (!others_can_write(folder_)) return;
  warnings_.push_back(
      fmt::format("the cache {} is not used, because other users can write it; make "
                  "it your own, and run `chmod go-w` on it",
                  shown(folder_)));
  folder_.clear();
}

std::shared_ptr<const ConvolutionPlan> PlanCache::get(
    const CudnnDevice& device, const ConvolutionProblem& problem, ChosenBy chosen_by,
    const std::function<ConvolutionPlan()>& make) {
  const std::string key =
      fmt::format("{}; by {}; {}", text_of(problem),
                  chosen_by == ChosenBy::time ? "time" : "heuristics", device.identity());
  auto& plan = plans_[key];
  if (plan) return plan;
  const auto path = folder_ / (digest_of(key).hex() + ".plan");
  std::error_code ignored;
  if (!folder_.empty() && std::filesystem::exists(path, ignored)) {
    try {
      plan =
          std::make_shared<const ConvolutionPlan>(plan_in(path, key, device, problem, chosen_by));
      return plan;
    } catch (const std::runtime_error& error) {  // Error, LibraryFailure
      warnings_.push_back(
          fmt::format("{} is not used and will be replaced: {}", shown(path), error.what()));
    }
  }
  plan = std::make_shared<const ConvolutionPlan>(make());
  write(path, text_for(key, *plan));
  return plan;
}

void PlanCache::write(const std::filesystem::path& path, const std::string& text) {
  if (folder_.empty() || !writable_) return;
  std::error_code ignored;
  try {
    make_folder(folder_);
    write_file_whole(path, text);
    for (const auto& made : {path, folder_}) {  // whatever the umask
      using std::filesystem::perms;
      std::filesystem::permissions(made, perms::group_write | perms::others_write,
                                   std::filesystem::perm_options::remove, ignored);
    }
  } catch (const Error& error) {
    writable_ = false;
    warnings_.push_back(fmt::format("plans are not kept for the next run: {}", error.what()));
  }
}

}  // namespace graft::cuda
