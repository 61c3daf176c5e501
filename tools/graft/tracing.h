#pragma once
// The tracers of --trace, --nvtx and --profile: a trace file, NVTX ranges, and the range in which
// the GPU's profiler records.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/observer.h"
#include "engine/base/trace.h"
#include "engine/job/job.h"
#include "engine/profile/profile_range.h"
#include "tools/graft/commands.h"

namespace graft::program {

// Lives on the thread that runs the job, at least as long as the job. NVTX is on with --nvtx, and
// where a tool asks for it in the environment (nvtx_tracer.h). The constructor throws Error(usage)
// for options that contradict each other, and Error(io) if the trace file cannot be written.
class Tracing {
 public:
  Tracing(const Request& request, std::string_view command, const Config& config,
          const Environment& environment);

  // The hooks borrow from this.
  void attach(JobHooks& hooks);
  // After a job. Throws Error(io) if the trace cannot be written.
  void finish(Observer& observer) const;
  // After a job that failed: a trace that cannot be written is a warning.
  void finish_after_failure(Observer& observer) const;

 private:
  const std::string trace_path_;
  std::optional<ChromeTrace> trace_;
  std::unique_ptr<Tracer> nvtx_;
  std::optional<TeeTracer> outputs_;  // nvtx_ and trace_
  std::optional<RangeProfiler> profiler_;
  std::optional<TeeTracer> with_profiler_;
  Tracer* tracer_ = nullptr;  // the outermost; null: none
};

}  // namespace graft::program
