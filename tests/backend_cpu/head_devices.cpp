// The CPU for the tests of tests/backend, once for each vector unit.

#include "engine/backend/cpu/cpu_head.h"
#include "tests/backend/head_device.h"
#include "tests/kernels/isa_test.h"

namespace graft::test {
namespace {

class CpuHeadDevice final : public HeadDevice {
 public:
  explicit CpuHeadDevice(cpu::Isa isa) : kernels_(cpu::kernels_for(isa)) {}
  std::unique_ptr<Head> make_head(const HeadOptions& options) override {
    return cpu::make_cpu_head(options, pool_, kernels_);
  }

 private:
  cpu::ThreadPool pool_{2};
  const cpu::KernelTable& kernels_;
};

}  // namespace

std::vector<NamedHeadDevice> head_devices() {
  std::vector<NamedHeadDevice> devices;
  for (const cpu::Isa isa : cpu::all_isas) {
    devices.push_back({isa_name(isa), [isa]() -> std::unique_ptr<HeadDevice> {
                         if (!cpu::supports(isa)) return nullptr;
                         return std::make_unique<CpuHeadDevice>(isa);
                       }});
  }
  return devices;
}

}  // namespace graft::test
