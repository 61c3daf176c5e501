#pragma once
// What a test program may ask the virtual GPU that it runs on. Nothing links against libvgpu.so: find
// each function with dlsym(RTLD_DEFAULT, "vgpu_…"); on a real GPU it is absent.

#include <cstdint>

extern "C" {

// Sums over the warps of one launch. A sector is 32 bytes of global memory.
struct VgpuCounters {
  std::uint64_t warp_instructions = 0;
  std::uint64_t thread_instructions = 0;
  std::uint64_t sectors_loaded = 0;          // distinct within each warp access, summed
  std::uint64_t sectors_loaded_minimum = 0;  // that the distinct bytes of each access would fill
  std::uint64_t sectors_stored = 0;
  std::uint64_t sectors_stored_minimum = 0;
  std::uint64_t distinct_sectors_read = 0;  // over the launch: what an ideal cache would move
  std::uint64_t distinct_sectors_written = 0;
  std::uint64_t shared_accesses = 0;    // warp accesses
  std::uint64_t shared_wavefronts = 0;  // passes that bank conflicts make of them
  std::uint64_t shared_wavefronts_minimum = 0;
};

// Errors found so far. The text is "kind: text", or "" beyond the last one, and is valid until the next
// call on this thread.
int vgpu_error_count();
const char* vgpu_error_text(int n);
void vgpu_clear_errors();

// Counters of the last launch of a kernel whose mangled name contains `kernel`; returns 0 if none.
int vgpu_last_launch(const char* kernel, VgpuCounters* counters);

// As VGPU_SEED and as VGPU_FAIL ("" for none). The second restarts the count of the calls.
void vgpu_set_seed(std::uint64_t seed);
void vgpu_set_faults(const char* faults);

// Clears a sticky error, as a new process would: pending work is dropped, allocations stay.
void vgpu_revive();

// Adds what is not freed now to the errors, as at the process' exit. Returns how many were added.
int vgpu_check_leaks();

int vgpu_write_report(const char* path);  // 0: written
}
