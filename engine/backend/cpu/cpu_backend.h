#pragma once
// The CPU as a Backend.

#include "engine/backend/backend.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/thread_pool.h"

namespace graft::cpu {

// What GRAFT_ISA in the environment names (avx2, avx512 or portable; it is for tests), else best_isa().
// Throws Error(usage) when the name is another, or this processor lacks that unit.
Isa chosen_isa();

class CpuBackend final : public Backend {
 public:
  // threads 0: one per core that this process may run on. Throws Error(usage) when this processor
  // lacks the Isa.
  explicit CpuBackend(std::size_t threads, Isa isa = chosen_isa());

  std::string description() const override;
  std::string numerics(const BackboneOptions& options) override;
  Precision automatic_precision() const override { return Precision::fp32; }
  // More makes nothing quicker here.
  std::size_t automatic_batch(const BackboneOptions&) const override { return 32; }
  // Starts on a cache line; in huge pages when it is large and the system gives them.
  HostBuffer allocate_host(std::size_t bytes) override;
  std::size_t batches_in_flight() const override { return 1; }
  std::size_t host_threads() const override { return threads_.threads(); }
  std::unique_ptr<Backbone> make_backbone(const Vgg16Weights& weights,
                                          const BackboneOptions& options) override;
  std::unique_ptr<Head> make_head(const HeadOptions& options) override;
  void set_tracer(Tracer* tracer) override { tracer_ = listening(tracer, TraceDetail::kernels); }

 private:
  const Isa isa_;
  const KernelTable& kernels_;
  ThreadPool threads_;
  Tracer* tracer_ = nullptr;
};

}  // namespace graft::cpu
