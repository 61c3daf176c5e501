#include "report/faults.h"

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

#include "report/environment.h"

namespace vgpu {

Faults& Faults::instance() {
  static auto* faults = new Faults;
  return *faults;
}

Faults::Faults() {
  try {
    set(environment().fail);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "vgpu: VGPU_FAIL: %s\n", error.what());
    std::exit(64);
  }
}

void Faults::set(const std::string& text) {
  std::vector<Fault> faults;
  std::istringstream list(text);
  for (std::string one; std::getline(list, one, ',');) {
    const std::size_t second = one.rfind(':');
    const std::size_t first = second == 0 ? second : one.rfind(':', second - 1);
    if (second == std::string::npos || first == std::string::npos)
      throw std::runtime_error("'" + one + "' is not function:call:error");
    const Fault fault = {one.substr(0, first), std::stol(one.substr(first + 1)),
                         std::stoi(one.substr(second + 1))};
    if (fault.error == 0 && !fault.function.starts_with("cuda"))
      throw std::runtime_error("'" + one + "': only a call of the runtime can be skipped");
    faults.push_back(fault);
  }
  const std::scoped_lock lock(mutex_);
  faults_ = std::move(faults);
  calls_.clear();
}

int Faults::next(const std::string& function) {
  const std::scoped_lock lock(mutex_);
  const long call = ++calls_[function];
  for (const Fault& fault : faults_)
    if (fault.function == function && fault.call == call)
      return fault.error == 0 ? kSkipped : fault.error;
  return 0;
}

std::map<long, int> Faults::of_engines(const std::string& name) {
  const std::scoped_lock lock(mutex_);
  std::map<long, int> errors;
  for (const Fault& fault : faults_)
    if (fault.function == name) errors[fault.call] = fault.error;
  return errors;
}

std::map<std::string, long> Faults::calls() {
  const std::scoped_lock lock(mutex_);
  return calls_;
}

bool is_sticky(int error) {
  return error == 700 || error == 702 || error == 710 || (error >= 714 && error <= 719);
}

}  // namespace vgpu
