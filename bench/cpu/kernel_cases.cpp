#include "bench/cases/timed.h"
#include "bench/cpu/cpu_cases.h"
#include "engine/base/memory.h"

namespace graft::bench {
namespace {

class KernelSubject final : public Subject {
 public:
  KernelSubject(const CpuContext& context, const KernelWork& work) : context_(context) {
    executions_.resize(context.pool.threads());
    // By the thread that uses it: the first access to a page decides its NUMA node.
    context.pool.parallel_for(executions_.size(), [&](std::size_t piece, std::size_t) {
      executions_[piece] = work.prepare();
    });
  }
  double sample(CacheState cache, std::size_t times) override {
    if (cache == CacheState::cold) context_.flush();
    return seconds_of([&] {
      context_.pool.parallel_for(executions_.size(), [&](std::size_t piece, std::size_t) {
        for (std::size_t i = 0; i < times; ++i) executions_[piece]();
      });
    });
  }

 private:
  const CpuContext& context_;
  std::vector<std::function<void()>> executions_;
};

Case kernel_case(const CpuContext& context, const KernelWork& work) {
  Case what = named_case(Suite::kernels, work.name, work.axes);
  const auto threads = static_cast<double>(context.pool.threads());
  what.cost = {threads * work.flop, threads * work.bytes, Precision::fp32};
  what.prepare = [&context, work, name = what.name, bytes = what.cost.bytes] {
    check_memory(name, bytes, "choose fewer --threads");
    return std::make_unique<KernelSubject>(context, work);
  };
  return what;
}

}  // namespace

std::vector<Case> cpu_kernel_cases(const CpuContext& context, const Axes& axes) {
  std::vector<Case> list;
  for (const auto& kernels : {backbone_kernels(context.isa, axes), head_kernels(context.isa, axes)})
    for (const KernelWork& work : kernels) list.push_back(kernel_case(context, work));
  return list;
}

}  // namespace graft::bench
