#include "kernels/cpu/kernels.h"

#include <stdexcept>
#include <string>

namespace graft::cpu {

namespace portable {
extern const KernelTable table;
}
namespace avx2 {
extern const KernelTable table;
}
namespace avx512 {
extern const KernelTable table;
}

std::string_view name_of(Isa isa) {
  if (isa == Isa::portable) return "portable";
  return isa == Isa::avx2 ? "AVX2" : "AVX-512";
}

bool supports(Isa isa) {
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (isa != Isa::avx512) return isa == Isa::portable || avx2;
  return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

Isa best_isa() {
  if (supports(Isa::avx512)) return Isa::avx512;
  return supports(Isa::avx2) ? Isa::avx2 : Isa::portable;
}

const KernelTable& kernels_for(Isa isa) {
  if (!supports(isa)) {
    throw std::invalid_argument("this processor has no " + std::string(name_of(isa)));
  }
  if (isa == Isa::portable) return portable::table;
  return isa == Isa::avx2 ? avx2::table : avx512::table;
}

}  // namespace graft::cpu
