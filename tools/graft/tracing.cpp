#include "tools/graft/tracing.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "engine/base/error.h"
#include "engine/profile/nvtx_tracer.h"

namespace graft::program {
namespace {

[[noreturn]] void refuse_cpu(const std::string& range, ErrorKind kind, std::string_view why) {
  throw Error(kind,
              "--profile {} starts and stops a GPU's profiler, and {}; choose \"device\": "
              "\"cuda\", or --trace FILE, which works on a CPU",
              range, why);
}

ProfileRange checked_range(const std::string& text, std::string_view command,
                           const Config& config) {
  ProfileRange range = parse_profile_range(text);
  if (command == "extract" && std::string_view(range.span) == "epoch") {
    throw Error(ErrorKind::usage,
                "--profile {}: `graft extract` has no epochs; write \"batches:10-20\"", text);
  }
  if (config.device == "cpu") {
    refuse_cpu(text, ErrorKind::usage, "this run's \"device\" is \"cpu\"");
  }
  return range;
}

}  // namespace

Tracing::Tracing(const Request& request, std::string_view command, const Config& config,
                 const Environment& environment)
    : trace_path_(request.trace) {
  refuse_config_as_target(request.config, "--trace", request.trace);
  std::optional<ProfileRange> range;
  if (request.profile) range = checked_range(*request.profile, command, config);
  std::vector<Tracer*> outputs;
  const bool is_asked_by_tool =
      has_nvtx() && environment.variable("NVTX_INJECTION64_PATH").has_value();
  if (request.nvtx || is_asked_by_tool) outputs.push_back((nvtx_ = make_nvtx_tracer()).get());
  if (!trace_path_.empty()) {
    outputs.push_back(&trace_.emplace());
    trace_->write(trace_path_);
  }
  if (outputs.empty() && !range) return;
  tracer_ = &outputs_.emplace(outputs);
  if (range) {
    profiler_.emplace(std::move(*range), *outputs_);
    tracer_ = &with_profiler_.emplace(std::vector<Tracer*>{&*profiler_, &*outputs_});
  }
  tracer_->name_thread("main");
}

void Tracing::attach(JobHooks& hooks) {
  hooks.tracer = tracer_;
  if (!profiler_) return;
  hooks.backend_made = [this](Backend& backend) {
    DeviceProfiler* const device = backend.profiler();
    if (device == nullptr) {
      refuse_cpu(profiler_->range(), ErrorKind::device,
                 fmt::format("this run's device is {}", backend.description()));
    }
    profiler_->use(*device);
  };
}

void Tracing::finish(Observer& observer) const {
  if (profiler_) {
    if (const auto warning = profiler_->warning()) observer.warn(*warning);
  }
  if (trace_) trace_->write(trace_path_);
}

void Tracing::finish_after_failure(Observer& observer) const {
  try {
    if (trace_) trace_->write(trace_path_);
  } catch (const Error& error) {
    observer.warn(error.what());
  }
}

}  // namespace graft::program
