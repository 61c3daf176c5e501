// Files of the cache of cuDNN's plans: PlanCache, compiled here for a device that needs no CUDA
// (cudnn_stub). The cache reads the input, and the input with the digest put right.

#include "engine/backend/cuda/cudnn/plan_cache.h"

#include "engine/base/digest.h"
#include "engine/base/json.h"
#include "engine/base/text.h"
#include "tests/fuzz/fuzz.h"

namespace graft::fuzz {
namespace {

const std::string key = "a problem; by heuristics; a device";
const std::string file_name = "plans/" + digest_of(key).hex() + ".plan";

std::string with_right_digest(const std::string& text) {
  Json entry = read_json(text, "plan", {.bytes = std::uint64_t{1} << 26U}).value;
  const auto fused = json_at<bool>(entry, "fused");
  const auto plan = json_at<std::string>(entry, "plan");
  entry["digest"] = digest_of(Json::array({key, fused, plan}).dump()).hex();
  return json_text(entry);
}

// Whether the plan was in the file.
bool reads(std::string_view text) {
  const std::filesystem::path folder = file_with(text, file_name).parent_path();
  const auto get = [&folder](std::size_t most_warnings) {
    bool made = false;
    cuda::PlanCache cache(folder);
    const auto plan = cache.get({}, {}, cuda::ChosenBy::heuristics, [&made] {
      made = true;
      return cuda::ConvolutionPlan({}, "a plan that was made");
    });
    require(plan != nullptr, "there is a plan");
    require(cache.warnings().size() <= most_warnings, "a file that is not used is one warning");
    for (const std::string& warning : cache.warnings())
      require(printable(warning) == warning, "a warning is printable");
    return !made;
  };
  const bool read = get(1);
  if (read) count_accepted();
  require(get(0), "a plan that was made is read back");
  return read;
}

}  // namespace
}  // namespace graft::fuzz

GRAFT_FUZZ_TARGET(input) {
  using namespace graft;
  using namespace graft::fuzz;
  const std::string text(text_of(input));
  reads(text);
  const auto right = accepted(ErrorKind::data, [&] { return with_right_digest(text); });
  if (right) reads(*right);
  return 0;
}
