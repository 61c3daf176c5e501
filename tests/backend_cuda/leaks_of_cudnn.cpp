// For builds with AddressSanitizer: cuDNN's heuristics keep memory for themselves, some of it of
// libraries that are unloaded by the end, which no suppression can name. That every descriptor and
// handle of ours is given back is what the virtual GPU counts.

// NOLINTNEXTLINE(bugprone-reserved-identifier): the name that the sanitizer looks for
extern "C" const char* __asan_default_options() {
  return "detect_leaks=0";
}
