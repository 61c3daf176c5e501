#include "kernels/cpu/kernels.h"

#include <stdexcept>
#include <string>

namespace graft::cpu {

namespace portable {
extern const KernelTable table;
}
#if defined(__x86_64__)
namespace avx2 {
extern const KernelTable table;
}
namespace avx512 {
extern const KernelTable table;
}
#endif

std::string_view name_of(Isa isa) {
  if (isa == Isa::portable) return "portable";
  return isa == Isa::avx2 ? "AVX2" : "AVX-512";
}

bool supports(Isa isa) {
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (isa != Isa::avx512) return isa == Isa::portable || avx2;
  return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return isa == Isa::portable;
#endif
}

Isa best_isa() {
  if (supports(Isa::avx512)) return Isa::avx512;
  return supports(Isa::avx2) ? Isa::avx2 : Isa::portable;
}

const KernelTable& kernels_for(Isa isa) {
  if (!supports(isa)) {
    throw std::invalid_argument("this processor has no " + std::string(name_of(isa)));
  }
#if defined(__x86_64__)
  if (isa == Isa::avx2) return avx2::table;
  if (isa == Isa::avx512) return avx512::table;
#endif
  return portable::table;
}

}  // namespace graft::cpu
