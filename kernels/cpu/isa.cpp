#include "kernels/cpu/isa.h"

namespace graft::cpu {

std::string_view name_of(Isa isa) {
  switch (isa) {
    case Isa::portable:
      return "portable";
    case Isa::avx2:
      return "AVX2";
    case Isa::avx512:
      return "AVX-512";
  }
  return "";
}

bool supports(Isa isa) {
  switch (isa) {
    case Isa::portable:
      return true;
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Isa::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
             supports(Isa::avx2);
  }
  return false;
}

Isa best_isa() {
  if (supports(Isa::avx512)) return Isa::avx512;
  return supports(Isa::avx2) ? Isa::avx2 : Isa::portable;
}

}  // namespace graft::cpu
