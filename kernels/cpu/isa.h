#pragma once
// Vector units. Each kernel source is compiled once per Isa, in a namespace of its own
// (graft::cpu::avx2 …), with that unit's compiler flags. The program chooses at run time.

#include <string_view>

namespace graft::cpu {

enum class Isa { portable, avx2, avx512 };

inline constexpr Isa all_isas[] = {Isa::portable, Isa::avx2, Isa::avx512};

std::string_view name_of(Isa isa);  // "portable", "AVX2", "AVX-512"
// Whether this processor and operating system can run it.
bool supports(Isa isa);
// The widest supported one.
Isa best_isa();

}  // namespace graft::cpu
