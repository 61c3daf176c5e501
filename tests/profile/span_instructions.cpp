// Repeats a span without a tracer, for a tool that counts instructions:
//   span_instructions spans|none REPETITIONS
// `none` is the same loop without the span. check_span_instructions.py starts it under valgrind.

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "engine/base/trace.h"

namespace graft {
namespace {

// The compiler must not know that there is no tracer, nor skip a turn.
void turn(Tracer* tracer) {
  asm volatile("" : : "r"(tracer) : "memory");
}

[[gnu::noinline]] void mark_spans(Tracer* volatile& no_tracer, long repetitions) {
  for (long i = 0; i < repetitions; ++i) {
    Tracer* const tracer = no_tracer;
    const TraceSpan span(tracer, "work", static_cast<std::uint64_t>(i));
    turn(tracer);
  }
}

[[gnu::noinline]] void mark_none(Tracer* volatile& no_tracer, long repetitions) {
  for (long i = 0; i < repetitions; ++i) turn(no_tracer);
}

}  // namespace
}  // namespace graft

int main(int count, char** values) {
  const std::string_view kind = count == 3 ? values[1] : "";
  if (kind != "spans" && kind != "none") {
    std::fputs("span_instructions spans|none REPETITIONS\n", stderr);
    return 2;
  }
  graft::Tracer* volatile no_tracer = nullptr;
  const long repetitions = std::atol(values[2]);
  if (kind == "spans") {
    graft::mark_spans(no_tracer, repetitions);
  } else {
    graft::mark_none(no_tracer, repetitions);
  }
  return 0;
}
