#include "bench/cuda/device_work.h"

#include <fmt/format.h>

#include <utility>

#include "engine/base/error.h"

namespace graft::bench {
namespace {

class DeviceWork final : public Subject {
 public:
  DeviceWork(const DeviceContext& context, std::string name, Arrays arrays, ProbedWork work)
      : context_(context),
        name_(std::move(name)),
        arrays_(std::move(arrays)),
        work_(std::move(work)) {}

  double sample(CacheState cache, std::size_t times) override {
    return context_.device.run(name_,
                               [&] { return context_.sampler.seconds(work_, cache, times); });
  }
  bool has_timer() const override { return work_.has_timer; }

 private:
  DeviceContext context_;
  std::string name_;
  Arrays arrays_;
  ProbedWork work_;
};

void check_memory(const cuda::Device& device, const std::string& name, std::size_t wanted) {
  const auto gib = [](std::size_t bytes) {
    return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / (std::size_t{1} << 30U));
  };
  const cuda::Device::Memory memory = device.memory_now();
  if (wanted <= memory.free) return;
  throw Error(
      ErrorKind::device,
      fmt::format(
          "{} needs {} of GPU memory, but cuda:{} has {} free of {}; choose smaller batches, "
          "or free GPU memory",
          name, gib(wanted), device.ordinal(), gib(memory.free), gib(memory.total)));
}

}  // namespace

std::byte* Arrays::filled(std::size_t bytes, int byte) {
  bytes_ += bytes;
  if (stream_ == nullptr) return nullptr;
  cuda::DeviceBuffer buffer(bytes);
  if (bytes != 0) GRAFT_CUDA_CHECK(cudaMemsetAsync(buffer.data(), byte, bytes, stream_->get()));
  buffers_.push_back(std::move(buffer));
  return buffers_.back().data();
}

std::unique_ptr<Subject> prepare_work(const DeviceContext& context, const std::string& name,
                                      const MakeWork& make) {
  return context.device.run(name, [&]() -> std::unique_ptr<Subject> {
    Arrays counted(nullptr);
    make(counted);
    check_memory(context.device, name, counted.bytes());
    const cuda::Stream& stream = context.sampler.stream();
    Arrays arrays(&stream);
    Work work = make(arrays);
    work(stream.get());
    stream.wait();
    return std::make_unique<DeviceWork>(context, name, std::move(arrays),
                                        context.sampler.probe(std::move(work)));
  });
}

}  // namespace graft::bench
