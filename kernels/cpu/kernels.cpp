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

const KernelTable& kernels_for(Isa isa) {
  if (!supports(isa)) {
    throw std::invalid_argument("this processor has no " + std::string(name_of(isa)));
  }
  switch (isa) {
    case Isa::avx512:
      return avx512::table;
    case Isa::avx2:
      return avx2::table;
    case Isa::portable:
      break;
  }
  return portable::table;
}

}  // namespace graft::cpu
