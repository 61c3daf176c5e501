#pragma once
// What a test program may ask the virtual GPU, when it runs under one. Nothing links against
// libvgpu.so: find each function with dlsym(RTLD_DEFAULT, "vgpu_…"); it is absent on a real GPU.

#include <cstdint>

extern "C" {

struct VgpuCounters {
  std::uint64_t warp_instructions;
  std::uint64_t thread_instructions;
  std::uint64_t sectors_loaded, sectors_loaded_minimum;  // 32 bytes each, per warp access, summed
  std::uint64_t sectors_stored, sectors_stored_minimum;
  std::uint64_t distinct_sectors_read, distinct_sectors_written;  // over the whole launch
  std::uint64_t shared_accesses, shared_wavefronts, shared_wavefronts_minimum;
};

// Errors found so far; the text of the n-th, or "" beyond the last (valid until the next call on
// this thread), as "kind: text".
int vgpu_error_count();
const char* vgpu_error_text(int n);
void vgpu_clear_errors();

// Counters of the last launch of a kernel whose mangled name contains `kernel`; returns 0 if none.
int vgpu_last_launch(const char* kernel, VgpuCounters* counters);

// As VGPU_SEED; as VGPU_FAIL ("" for none): the calls are counted anew.
void vgpu_set_seed(std::uint64_t seed);
void vgpu_set_faults(const char* faults);

// Takes a sticky error back, as a new process would: pending work is dropped, allocations stay.
void vgpu_revive();

// Adds what is not freed now to the errors, as at the process' exit. Returns how many were added.
int vgpu_check_leaks();

int vgpu_write_report(const char* path);  // 0: written
}
