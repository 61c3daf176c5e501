#pragma once
// Move-only array of floats that starts on a cache line, zero at first. A large one is in huge pages
// where the system gives them: a Dense layer's weights would be thousands of small pages.

#include <cstddef>
#include <memory>
#include <span>

namespace graft::cpu {

class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(std::size_t count);  // throws std::bad_alloc
  // For memory that is written before it is read: any content, and pages that nothing touches are
  // never taken.
  static AlignedFloats uninitialised(std::size_t count);

  float* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  std::span<float> values() const { return {data_.get(), size_}; }

 private:
  struct Free {
    void operator()(float* data) const;
  };
  std::unique_ptr<float[], Free> data_;
  std::size_t size_ = 0;
};

}  // namespace graft::cpu
