#pragma once
// Compute devices under the contract of Head (engine/backend/backend.h). The tests of this folder
// are compiled into a program for each backend, which defines head_devices().

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "engine/backend/backend.h"

namespace graft::test {

class HeadDevice {
 public:
  virtual ~HeadDevice() = default;
  virtual std::unique_ptr<Head> make_head(const HeadOptions& options) = 0;
};

struct NamedHeadDevice {
  std::string name;                                   // letters and digits
  std::function<std::unique_ptr<HeadDevice>()> open;  // null where this machine has no such device
};
inline void PrintTo(const NamedHeadDevice& device, std::ostream* out) {
  *out << device.name;
}

std::vector<NamedHeadDevice> head_devices();

// Skips the test where the machine lacks the device.
class HeadDeviceTest : public ::testing::Test {
 protected:
  void open(const NamedHeadDevice& named) {
    device_ = named.open();
    if (!device_) GTEST_SKIP() << "this machine has no " << named.name;
  }
  void TearDown() override { device_.reset(); }
  std::unique_ptr<Head> make(const HeadOptions& options) { return device_->make_head(options); }

  std::unique_ptr<HeadDevice> device_;
};

}  // namespace graft::test
