#include "tests/program/cuda_support.h"

#include <nlohmann/json.hpp>

#include "engine/base/file.h"

namespace graft::test {

CudaOutcome run_on_virtual_gpu(const std::vector<std::string>& arguments,
                               const std::map<std::string, std::string>& settings) {
  const TemporaryFolder folder;
  const std::filesystem::path report = folder.path() / "report.json";
  ChildOptions options;
  options.environment = {{"LD_PRELOAD", GRAFT_VIRTUAL_GPU_LIBRARY},
                         {"VGPU_ARCH", "sm_90"},
                         {"VGPU_EXIT", "0"},
                         {"VGPU_QUIET", "1"},
                         {"VGPU_REPORT", report.string()}};
  for (const auto& [name, value] : settings) options.environment[name] = value;
  CudaOutcome result;
  result.outcome = graft_program(arguments, options);
  const auto json = nlohmann::json::parse(read_text_file(report, std::uint64_t{1} << 30U));
  result.report.calls = json.at("calls").get<std::map<std::string, long>>();
  for (const auto& error : json.at("errors")) {
    result.report.errors.push_back(error.at("kind").get<std::string>() + ": " +
                                   error.at("text").get<std::string>());
  }
  for (const auto& launch : json.at("launches")) {
    result.report.launches.push_back(launch.at("kernel").get<std::string>());
    constexpr std::size_t sector = 32;
    result.report.moved.push_back(sector *
                                  (launch.at("distinct_sectors_read").get<std::size_t>() +
                                   launch.at("distinct_sectors_written").get<std::size_t>()));
  }
  for (const auto& range : json.at("profiled")) {
    result.report.profiled.emplace_back(range.at(0), range.at(1));
  }
  result.report.used_devices = json.at("used_devices").get<std::vector<int>>();
  return result;
}

}  // namespace graft::test
