#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "bench/cases/timed.h"
#include "bench/cuda/cuda_cases.h"
#include "bench/cuda/empty_kernel.h"
#include "engine/backend/cuda/runtime/resources.h"

namespace graft::bench {
namespace {

constexpr std::size_t graph_nodes = 20;      // about as many as a step of the head or a batch has
constexpr std::size_t least_launches = 100;  // one alone would measure the host waking up

// The host's time to enqueue. Waits for the stream, outside the time, before it is full.
class LaunchSubject final : public Subject {
 public:
  LaunchSubject(const DeviceContext& context, std::string name, ProbedWork work)
      : context_(context), name_(std::move(name)), work_(std::move(work)) {}

  double sample(CacheState cache, std::size_t times) override {
    return context_.device.run(name_, [&] {
      if (cache == CacheState::cold) context_.sampler.flush();
      const cuda::Stream& stream = context_.sampler.stream();
      double seconds = 0.0;
      for (std::size_t done = 0; done < times; done += work_.most_executions) {
        const std::size_t launches = std::min(work_.most_executions, times - done);
        seconds += seconds_of([&] {
          for (std::size_t n = 0; n < launches; ++n) work_.enqueue(stream.get());
        });
        stream.wait();
      }
      return seconds;
    });
  }
  bool has_timer() const override { return work_.has_timer; }

 private:
  DeviceContext context_;
  std::string name_;
  ProbedWork work_;
};

void enqueue_empty_kernels(std::size_t count, cudaStream_t stream) {
  for (std::size_t n = 0; n < count; ++n) enqueue_empty_kernel(stream);
}

Work graph_launch(const cuda::Stream& stream) {
  const auto graph = std::make_shared<const cuda::Graph>(
      stream, [&] { enqueue_empty_kernels(graph_nodes, stream.get()); });
  return [graph, &stream](cudaStream_t) { graph->launch(stream); };
}

Case listed(const DeviceContext& context, Case what, bool as_graph) {
  what.items = 1.0;
  what.item = "launches";
  what.sequence = least_launches;
  what.prepare = [&context, name = what.name, as_graph] {
    return context.device.run(name, [&]() -> std::unique_ptr<Subject> {
      const cuda::Stream& stream = context.sampler.stream();
      enqueue_empty_kernel(stream.get());  // loads the code
      Work work = as_graph ? graph_launch(stream) : enqueue_empty_kernel;
      work(stream.get());
      stream.wait();
      return std::make_unique<LaunchSubject>(context, name, context.sampler.probe(std::move(work)));
    });
  };
  return what;
}

}  // namespace

std::vector<Case> launch_cases(const DeviceContext& context) {
  return {listed(context, named_case(Suite::kernels, "launch_kernel", {}), false),
          listed(context,
                 named_case(Suite::kernels, "launch_graph", number_axes({{"nodes", graph_nodes}})),
                 true)};
}

}  // namespace graft::bench
