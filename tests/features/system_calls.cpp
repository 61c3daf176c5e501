#include "tests/features/system_calls.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <string_view>

#include "tests/support/forked.h"

namespace graft::test {
namespace {

std::atomic<bool> armed = false;
std::atomic<Fault> armed_fault = Fault::none;
std::atomic<std::size_t> fault_at = 0;
std::atomic<std::size_t> calls = 0;
std::atomic<std::size_t> out_of_order = 0;
std::atomic<bool> can_exchange = true;
std::array<std::atomic<bool>, 1024> unsynced;  // by descriptor
std::array<std::atomic<bool>, 1024> is_photo;  // by descriptor
std::atomic<std::size_t> sync_calls = 0;
std::atomic<std::size_t> photo_opens = 0;
std::atomic<std::uint64_t> photo_bytes = 0;

// Called before a write to `descriptor` (-1: a rename).
void watch_order(int descriptor) {
  for (int other = 0; other < static_cast<int>(unsynced.size()); ++other) {
    if (other != descriptor && unsynced[static_cast<std::size_t>(other)]) ++out_of_order;
  }
}

void set_unsynced(int descriptor, bool value) {
  if (descriptor >= 0 && descriptor < static_cast<int>(unsynced.size())) {
    unsynced[static_cast<std::size_t>(descriptor)] = value;
  }
}

void note_open(int descriptor, std::string_view path, int flags) {
  if (descriptor < 0 || descriptor >= static_cast<int>(is_photo.size())) return;
  const bool reads_photo = path.ends_with(".png") && (flags & O_ACCMODE) == O_RDONLY;
  is_photo[static_cast<std::size_t>(descriptor)] = reads_photo;
  if (reads_photo) ++photo_opens;
}

void note_read(int descriptor, ssize_t bytes) {
  if (descriptor < 0 || descriptor >= static_cast<int>(is_photo.size()) || bytes < 0) return;
  if (is_photo[static_cast<std::size_t>(descriptor)])
    photo_bytes += static_cast<std::uint64_t>(bytes);
}

// What call number `calls` meets.
Fault next_fault() {
  if (!armed) return Fault::none;
  const std::size_t number = calls++;
  const Fault fault = armed_fault;
  if (fault == Fault::kill) return number == fault_at ? fault : Fault::none;
  if (fault == Fault::no_space) return number >= fault_at ? fault : Fault::none;
  return Fault::none;
}

bool exchange_is_allowed() {
  return can_exchange;
}

bool refuse_space(Fault fault) {
  if (fault == Fault::kill) die();
  return fault == Fault::no_space;
}

int no_space() {
  errno = ENOSPC;
  return -1;
}

int sync_file(int descriptor) {
  ++sync_calls;
  if (refuse_space(next_fault())) return no_space();
  set_unsynced(descriptor, false);
  return 0;
}

}  // namespace

void arm_fault(Fault fault, std::size_t at) {
  armed_fault = fault;
  fault_at = at;
  calls = 0;
  out_of_order = 0;
  sync_calls = 0;
  photo_opens = 0;
  photo_bytes = 0;
  for (std::atomic<bool>& one : unsynced) one = false;
  armed = true;
}

std::size_t disarm_fault() {
  armed = false;
  return calls;
}

std::size_t writes_out_of_order() {
  return out_of_order;
}

std::size_t syncs() {
  return sync_calls;
}

PhotoReads photo_reads() {
  return {photo_opens, photo_bytes};
}

void allow_exchange(bool allowed) {
  can_exchange = allowed;
}

}  // namespace graft::test

using graft::test::exchange_is_allowed;
using graft::test::Fault;
using graft::test::next_fault;
using graft::test::no_space;
using graft::test::note_open;
using graft::test::note_read;
using graft::test::refuse_space;
using graft::test::set_unsynced;
using graft::test::sync_file;
using graft::test::watch_order;

extern "C" {

int fdatasync(int descriptor) {
  return sync_file(descriptor);
}

int fsync(int descriptor) {
  return sync_file(descriptor);
}

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  const auto descriptor = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
  note_open(descriptor, path, flags);
  return descriptor;
}

ssize_t pread(int descriptor, void* bytes, size_t count, off_t offset) {
  const ssize_t got = ::syscall(SYS_pread64, descriptor, bytes, count, offset);
  note_read(descriptor, got);
  return got;
}

ssize_t pwrite(int descriptor, const void* bytes, size_t count, off_t offset) {
  const Fault fault = next_fault();
  watch_order(descriptor);
  set_unsynced(descriptor, true);
  if (fault != Fault::none) ::syscall(SYS_pwrite64, descriptor, bytes, count / 2, offset);
  if (refuse_space(fault)) return no_space();
  return ::syscall(SYS_pwrite64, descriptor, bytes, count, offset);
}

int ftruncate(int descriptor, off_t size) noexcept {
  if (next_fault() == Fault::kill) refuse_space(Fault::kill);
  return static_cast<int>(::syscall(SYS_ftruncate, descriptor, size));
}

int posix_fallocate(int descriptor, off_t offset, off_t size) {
  const Fault fault = next_fault();
  if (fault != Fault::none) ::syscall(SYS_fallocate, descriptor, 0, offset, size / 2);
  if (refuse_space(fault)) return ENOSPC;
  const long result = ::syscall(SYS_fallocate, descriptor, 0, offset, size);
  return result == 0 ? 0 : errno;
}

int rename(const char* from, const char* to) noexcept {
  if (next_fault() == Fault::kill) refuse_space(Fault::kill);
  watch_order(-1);
  return static_cast<int>(::syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to));
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) noexcept {
  if (!exchange_is_allowed()) {
    errno = EINVAL;
    return -1;
  }
  if (next_fault() == Fault::kill) refuse_space(Fault::kill);
  watch_order(-1);
  return static_cast<int>(::syscall(SYS_renameat2, from_folder, from, to_folder, to, flags));
}

int unlinkat(int folder, const char* path, int flags) noexcept {
  if (next_fault() == Fault::kill) refuse_space(Fault::kill);
  return static_cast<int>(::syscall(SYS_unlinkat, folder, path, flags));
}

int unlink(const char* path) noexcept {
  if (next_fault() == Fault::kill) refuse_space(Fault::kill);
  return static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

}  // extern "C"
