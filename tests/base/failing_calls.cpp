#include "tests/base/failing_calls.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <string>
#include <utility>

namespace graft::test {
namespace {

std::map<std::string, int>& failures() {
  static std::map<std::string, int> codes;
  return codes;
}

std::function<void()>& action_before_read() {
  static std::function<void()> action;
  return action;
}

int failure_of(const char* name) {
  const auto found = failures().find(name);
  return found == failures().end() ? 0 : found->second;
}

// The result of a call that fails with `code` if it is not 0.
template <typename Call>
long fail_or(int code, Call call) {
  if (code == 0) return call();
  errno = code;
  return -1;
}

}  // namespace

FailingCall::FailingCall(const char* name, int code) : name_(name) {
  failures()[name] = code;
}

FailingCall::~FailingCall() {
  failures().erase(name_);
}

BeforeRead::BeforeRead(std::function<void()> action) {
  action_before_read() = std::move(action);
}

BeforeRead::~BeforeRead() {
  action_before_read() = nullptr;
}

}  // namespace graft::test

using graft::test::action_before_read;
using graft::test::fail_or;
using graft::test::failure_of;

extern "C" {

int fdatasync(int descriptor) {
  return static_cast<int>(
      fail_or(failure_of("fdatasync"), [&] { return ::syscall(SYS_fdatasync, descriptor); }));
}

int fsync(int descriptor) {
  return static_cast<int>(
      fail_or(failure_of("fsync"), [&] { return ::syscall(SYS_fsync, descriptor); }));
}

int close(int descriptor) {
  const long result = ::syscall(SYS_close, descriptor);
  return static_cast<int>(fail_or(failure_of("close"), [&] { return result; }));
}

int posix_fallocate(int descriptor, off_t offset, off_t size) {
  const int code = failure_of("posix_fallocate");
  if (code != 0) return code;
  return ::syscall(SYS_fallocate, descriptor, 0, offset, size) == 0 ? 0 : errno;
}

void* mmap(void* address, size_t size, int protection, int flags, int descriptor,
           off_t offset) noexcept {
  const int code = descriptor < 0 ? 0 : failure_of("mmap");
  return reinterpret_cast<void*>(fail_or(code, [&] {
    return ::syscall(SYS_mmap, address, size, protection, flags, descriptor, offset);
  }));
}

ssize_t pread(int descriptor, void* bytes, size_t count, off_t offset) {
  if (const auto action = std::exchange(action_before_read(), nullptr)) action();
  return ::syscall(SYS_pread64, descriptor, bytes, count, offset);
}

}  // extern "C"
