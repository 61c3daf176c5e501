// The functions of vgpu.h, and the end of the process: leaks, the report, the exit code.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "machine/memory.h"
#include "report/environment.h"
#include "report/leaks.h"
#include "report/report.h"
#include "runtime/api.h"

namespace vgpu {
namespace {

int leak(const char* what, std::size_t count) {
  if (count == 0) return 0;
  Report::instance().error("leak", "", 0, std::to_string(count) + " " + what + " not freed");
  return 1;
}

// Registered before anything of the program, so that it runs after all of the program's destructors.
void at_exit(int status, void*) {
  if (Scheduler::instance().sticky_error() == cudaSuccess) report_leaks();
  const std::string& path = environment().report;
  if (!path.empty() && !Report::instance().write(path))
    std::fprintf(stderr, "vgpu: the report %s cannot be written\n", path.c_str());
  const bool failed = !Report::instance().errors().empty();
  if (!failed || status != 0 || environment().exit_code == 0) return;
  std::fflush(nullptr);
  _exit(environment().exit_code);
}

__attribute__((constructor)) void start() {
  environment();
  on_exit(at_exit, nullptr);
}

}  // namespace

int report_leaks() {
  int found = 0;
  for (const auto& [base, a] : DeviceMemory::instance().allocations()) {
    if (a.freed || !a.from_program) continue;
    Report::instance().error("leak", "", 0,
                             "device allocation " + std::to_string(a.number) + " of " +
                                 std::to_string(a.bytes) + " bytes is not freed");
    ++found;
  }
  found += leak("pinned host allocations", live_host_allocations());
  found += leak("streams", Scheduler::instance().live_streams());
  found += leak("events", Scheduler::instance().live_events());
  found += leak("graphs", live_graphs());
  found += leak("cuBLAS handles or descriptors", live_cublas_handles());
  found += leak("cuDNN handles", live_cudnn_handles());
  found += leak("cuDNN descriptors", live_cudnn_descriptors());
  return found;
}

}  // namespace vgpu

using namespace vgpu;

VGPU_EXPORT int vgpu_error_count() {
  return static_cast<int>(Report::instance().errors().size());
}

VGPU_EXPORT const char* vgpu_error_text(int n) {
  thread_local std::string text;
  const auto errors = Report::instance().errors();
  const auto index = static_cast<std::size_t>(n);
  text = n >= 0 && index < errors.size() ? errors[index].kind + ": " + errors[index].text : "";
  return text.data();  // NOLINT(clang-analyzer-cplusplus.InnerPointer): valid until the next call
}

VGPU_EXPORT void vgpu_clear_errors() {
  Report::instance().clear_errors();
}

VGPU_EXPORT int vgpu_last_launch(const char* kernel, VgpuCounters* counters) {
  const std::optional<Counters> found = Report::instance().last_launch(kernel);
  if (found) *counters = *found;
  return found ? 1 : 0;
}

VGPU_EXPORT void vgpu_set_seed(std::uint64_t seed) {
  const std::scoped_lock lock(Scheduler::instance().mutex());
  Scheduler::instance().set_seed(seed);
}

VGPU_EXPORT void vgpu_set_faults(const char* faults) {
  Faults::instance().set(faults);
}

VGPU_EXPORT void vgpu_revive() {
  const std::scoped_lock lock(Scheduler::instance().mutex());
  Scheduler::instance().revive();
  take_last_error();
}

VGPU_EXPORT int vgpu_check_leaks() {
  const std::scoped_lock lock(Scheduler::instance().mutex());
  return report_leaks();
}

VGPU_EXPORT int vgpu_write_report(const char* path) {
  return Report::instance().write(path) ? 0 : 1;
}
