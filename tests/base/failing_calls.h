#pragma once
// System calls that fail, for tests of what the engine does then. The test program's own definitions
// of fdatasync, fsync, posix_fallocate, close, mmap and pread take the place of the C library's.

#include <functional>

namespace graft::test {

// While it lives, each call of this name fails with `code`: mmap only of files, close after it closed.
class FailingCall {
 public:
  FailingCall(const char* name, int code);
  ~FailingCall();
  FailingCall(const FailingCall&) = delete;
  FailingCall& operator=(const FailingCall&) = delete;

 private:
  const char* name_;
};

// Called once, before the next read.
class BeforeRead {
 public:
  explicit BeforeRead(std::function<void()> action);
  ~BeforeRead();
  BeforeRead(const BeforeRead&) = delete;
  BeforeRead& operator=(const BeforeRead&) = delete;
};

}  // namespace graft::test
