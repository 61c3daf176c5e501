#include "fake_device.h"

namespace graft::bench::test {
namespace {

class FakeSubject final : public Subject {
 public:
  explicit FakeSubject(FakeDevice& device) : device_(device) { ++device_.subjects; }
  ~FakeSubject() override { --device_.subjects; }
  FakeSubject(const FakeSubject&) = delete;
  FakeSubject& operator=(const FakeSubject&) = delete;

  double sample(CacheState cache, std::size_t times) override {
    device_.samples.push_back({cache, times});
    device_.at_sample(device_.samples.size() - 1);
    const double took = device_.seconds * static_cast<double>(times);
    device_.time.pass(took + (cache == CacheState::cold ? device_.flush_seconds : 0.0));
    return device_.timer ? took : 0.0;
  }
  std::vector<std::pair<std::string, double>> stages() const override { return device_.shares; }

 private:
  FakeDevice& device_;
};

}  // namespace

std::unique_ptr<Subject> FakeDevice::prepare(const Case& which) {
  at_prepare(which);
  return std::make_unique<FakeSubject>(*this);
}

Ceilings FakeDevice::ceilings(std::span<const Precision> precisions, std::stop_token stop) {
  ++ceilings_measured;
  asked_precisions.assign(precisions.begin(), precisions.end());
  at_ceilings(stop);
  return reached;
}

Conditions FakeDevice::conditions() {
  ++conditions_read;
  return now;
}

}  // namespace graft::bench::test
