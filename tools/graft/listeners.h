#pragma once
// Who listens to what a job tells of its threads and its device: the file of --trace, NVTX, and the
// profiler's range of --profile.

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

// Lives on the thread that runs the job, and as long as it. Throws Error(usage) for options that
// make no sense, and Error(io) where the trace could not be written, before any work.
class Listeners {
 public:
  // NVTX listens with --nvtx, and where a tool has said in the environment that it wants to be
  // called (nvtx_tracer.h).
  Listeners(const Request& request, std::string_view command, const Config& config,
            const Environment& environment);

  // What the job is to be given. Borrowed from this.
  void listen(JobHooks& hooks);
  // At the end of a job. Throws Error(io) when the trace cannot be written.
  void finish(Observer& observer) const;
  // Of one that failed: its reason is the one to report.
  void finish_after_failure(Observer& observer) const;

 private:
  const std::string trace_path_;
  std::optional<ChromeTrace> trace_;
  std::unique_ptr<Tracer> nvtx_;
  std::optional<TeeTracer> tee_;
  std::optional<RangeProfiler> profiler_;
  Tracer* tracer_ = nullptr;  // the first of them to be told; null: nobody listens
};

}  // namespace graft::program
