// The shim: definitions that take the place of the C library's in a program that preloads this
// library. Syncing is only remembered, so that tests are quick.

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "tests/faults/fault.h"
#include "tests/faults/undo.h"

using graft::faults::Call;
using graft::faults::Inside;

namespace {

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

// A call on the file that `path()` names: counted, met by the fault or passed on to `real`.
template <typename Path, typename Real>
long file_call(Call call, bool changes, Path path, Real real,
               const std::function<long()>& half = {}) {
  if (!graft::faults::is_counting()) return real();
  const Inside inside;
  if (!graft::faults::is_below_root(path())) return real();
  std::unique_lock lock(graft::faults::change_mutex(), std::defer_lock);
  if (changes) lock.lock();
  const int fault = graft::faults::meet(call, changes, half);
  if (fault == 0) return real();
  if (fault == graft::faults::do_half) return half();
  errno = fault;
  return -1;
}

auto path(int descriptor) {
  return [descriptor] { return graft::faults::path_of(descriptor); };
}

auto path(int folder, const char* name) {
  return [folder, name] { return graft::faults::path_of(folder, name); };
}

int open_file(int folder, const char* name, int flags, unsigned mode) {
  const bool changes = (flags & (O_CREAT | O_TRUNC)) != 0;
  return static_cast<int>(file_call(Call::open, changes, path(folder, name), [&] {
    const std::string full = changes ? graft::faults::path_of(folder, name) : "";
    const bool is_new = changes && ::syscall(SYS_faccessat, AT_FDCWD, full.c_str(), F_OK) != 0;
    if (changes && (flags & O_TRUNC) != 0) graft::faults::remember_content(full);
    const long result = ::syscall(SYS_openat, folder, name, flags, mode);
    if (is_new && result >= 0) graft::faults::remember_created(full);
    return result;
  }));
}

// For a write of `count` bytes by `write(count)`.
template <typename Write>
ssize_t write_file(int descriptor, size_t count, Write write) {
  const auto real = [&](size_t size) {
    graft::faults::remember_content(descriptor);
    return write(size);
  };
  return file_call(
      Call::write, true, path(descriptor), [&] { return real(count); },
      [&] { return real((count + 1) / 2); });
}

template <typename Read>
ssize_t read_file(int descriptor, size_t count, Read read) {
  return file_call(
      Call::read, false, path(descriptor), [&] { return read(count); },
      [&] { return read((count + 1) / 2); });
}

template <typename Resize>
int resize_file(int descriptor, Resize resize) {
  return static_cast<int>(file_call(Call::size, true, path(descriptor), [&] {
    graft::faults::remember_content(descriptor);
    return resize();
  }));
}

int sync_file(int descriptor) {
  return static_cast<int>(file_call(Call::sync, true, path(descriptor), [&] {
    graft::faults::remember_synced(descriptor);
    return 0L;
  }));
}

int rename_file(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  return static_cast<int>(file_call(Call::rename, true, path(to_folder, to), [&]() -> long {
    return graft::faults::rename_entry(graft::faults::path_of(from_folder, from),
                                       graft::faults::path_of(to_folder, to), flags);
  }));
}

int remove_file(int folder, const char* name, bool is_folder) {
  return static_cast<int>(file_call(Call::remove, true, path(folder, name), [&]() -> long {
    return graft::faults::remove_entry(graft::faults::path_of(folder, name), is_folder);
  }));
}

int make_folder(int folder, const char* name, mode_t mode) {
  return static_cast<int>(file_call(Call::folder, true, path(folder, name), [&] {
    const long result = ::syscall(SYS_mkdirat, folder, name, mode);
    if (result == 0) graft::faults::remember_created(graft::faults::path_of(folder, name));
    return result;
  }));
}

int look_at(int folder, const char* name, struct stat* status, int flags) {
  const auto real = [&] { return ::syscall(SYS_newfstatat, folder, name, status, flags); };
  return static_cast<int>(*name == '\0' ? file_call(Call::stat, false, path(folder), real)
                                        : file_call(Call::stat, false, path(folder, name), real));
}

// Null and ENOMEM, or what `allocate` returns.
template <typename Allocate>
void* allocate_memory(Allocate allocate) {
  if (!graft::faults::is_counting()) return allocate();
  const Inside inside;
  const int fault = graft::faults::meet(Call::memory, false);
  if (fault == 0) return allocate();
  errno = fault;
  return nullptr;
}

}  // namespace

extern "C" {

void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* old, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

int __libc_start_main(int (*main)(int, char**, char**), int count, char** arguments, void (*init)(),
                      void (*fini)(), void (*loader_fini)(), void* stack_end) {
  static int (*real_main)(int, char**, char**) = main;
  const auto counted_main = [](int words, char** list, char** environment) {
    graft::faults::begin_main();
    return real_main(words, list, environment);
  };
  return next<decltype(__libc_start_main)>("__libc_start_main")(counted_main, count, arguments,
                                                                init, fini, loader_fini, stack_end);
}

int open(const char* name, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const unsigned mode = (flags & O_CREAT) != 0 ? va_arg(more, unsigned) : 0;
  va_end(more);
  return open_file(AT_FDCWD, name, flags, mode);
}

int openat(int folder, const char* name, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const unsigned mode = (flags & O_CREAT) != 0 ? va_arg(more, unsigned) : 0;
  va_end(more);
  return open_file(folder, name, flags, mode);
}

FILE* fopen(const char* name, const char* mode) {
  FILE* result = nullptr;
  file_call(Call::open, *mode != 'r', path(AT_FDCWD, name), [&] {
    static auto* const real = next<decltype(fopen)>("fopen");
    result = real(name, mode);
    return 0L;
  });
  return result;
}

ssize_t read(int descriptor, void* bytes, size_t count) {
  return read_file(descriptor, count,
                   [&](size_t size) { return ::syscall(SYS_read, descriptor, bytes, size); });
}

ssize_t pread(int descriptor, void* bytes, size_t count, off_t offset) {
  return read_file(descriptor, count, [&](size_t size) {
    return ::syscall(SYS_pread64, descriptor, bytes, size, offset);
  });
}

dirent* readdir(DIR* folder) {
  dirent* result = nullptr;
  file_call(Call::read, false, path(::dirfd(folder)), [&] {
    static auto* const real = next<decltype(readdir)>("readdir");
    result = real(folder);
    return 0L;
  });
  return result;
}

ssize_t write(int descriptor, const void* bytes, size_t count) {
  return write_file(descriptor, count,
                    [&](size_t size) { return ::syscall(SYS_write, descriptor, bytes, size); });
}

ssize_t pwrite(int descriptor, const void* bytes, size_t count, off_t offset) {
  return write_file(descriptor, count, [&](size_t size) {
    return ::syscall(SYS_pwrite64, descriptor, bytes, size, offset);
  });
}

int ftruncate(int descriptor, off_t size) noexcept {
  return resize_file(descriptor, [&] { return ::syscall(SYS_ftruncate, descriptor, size); });
}

int posix_fallocate(int descriptor, off_t offset, off_t size) {
  const int result = resize_file(
      descriptor, [&] { return ::syscall(SYS_fallocate, descriptor, 0, offset, size); });
  return result == 0 ? 0 : errno;
}

int fsync(int descriptor) {
  return sync_file(descriptor);
}

int fdatasync(int descriptor) {
  return sync_file(descriptor);
}

int rename(const char* from, const char* to) noexcept {
  return rename_file(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  return rename_file(from_folder, from, to_folder, to, 0);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) noexcept {
  return rename_file(from_folder, from, to_folder, to, flags);
}

int unlink(const char* name) noexcept {
  return remove_file(AT_FDCWD, name, false);
}

int rmdir(const char* name) noexcept {
  return remove_file(AT_FDCWD, name, true);
}

int unlinkat(int folder, const char* name, int flags) noexcept {
  return remove_file(folder, name, (flags & AT_REMOVEDIR) != 0);
}

int remove(const char* name) noexcept {
  struct stat status {};
  const bool is_folder =
      ::syscall(SYS_newfstatat, AT_FDCWD, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      S_ISDIR(status.st_mode);
  return remove_file(AT_FDCWD, name, is_folder);
}

int mkdir(const char* name, mode_t mode) noexcept {
  return make_folder(AT_FDCWD, name, mode);
}

int mkdirat(int folder, const char* name, mode_t mode) noexcept {
  return make_folder(folder, name, mode);
}

int stat(const char* name, struct stat* status) noexcept {
  return look_at(AT_FDCWD, name, status, 0);
}

int lstat(const char* name, struct stat* status) noexcept {
  return look_at(AT_FDCWD, name, status, AT_SYMLINK_NOFOLLOW);
}

int fstat(int descriptor, struct stat* status) noexcept {
  return look_at(descriptor, "", status, AT_EMPTY_PATH);
}

int fstatat(int folder, const char* name, struct stat* status, int flags) noexcept {
  return look_at(folder, name, status, flags);
}

int flock(int descriptor, int operation) noexcept {
  return static_cast<int>(file_call(Call::lock, false, path(descriptor),
                                    [&] { return ::syscall(SYS_flock, descriptor, operation); }));
}

int close(int descriptor) {
  const auto real = [&] { return ::syscall(SYS_close, descriptor); };
  const long result = file_call(Call::close, false, path(descriptor), real);
  const int code = errno;
  if (result != 0 && code != EBADF) real();  // as on Linux: a failed close has closed
  errno = code;
  return static_cast<int>(result);
}

void* mmap(void* address, size_t size, int protection, int flags, int descriptor,
           off_t offset) noexcept {
  const auto real = [&](int file) {
    return reinterpret_cast<void*>(
        ::syscall(SYS_mmap, address, size, protection, flags, file, offset));
  };
  if (!graft::faults::is_counting()) return real(descriptor);
  const Inside inside;
  if (descriptor >= 0 && !graft::faults::is_below_root(graft::faults::path_of(descriptor)))
    return real(descriptor);
  const int fault = graft::faults::meet(Call::map, false);
  if (fault == 0 || (fault < 0 && descriptor < 0)) return real(descriptor);
  if (fault == graft::faults::raise_bus_error) return real(::memfd_create("empty", MFD_CLOEXEC));
  errno = fault;
  return MAP_FAILED;
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*),
                   void* argument) {
  static auto* const real = next<decltype(pthread_create)>("pthread_create");
  if (graft::faults::is_counting()) {
    const Inside inside;
    if (const int fault = graft::faults::meet(Call::thread, false)) return fault;
  }
  return real(thread, attributes, start, argument);
}

void* malloc(size_t size) {
  return allocate_memory([&] { return __libc_malloc(size); });
}

void* calloc(size_t count, size_t size) {
  return allocate_memory([&] { return __libc_calloc(count, size); });
}

void* realloc(void* old, size_t size) {
  return allocate_memory([&] { return __libc_realloc(old, size); });
}

void* aligned_alloc(size_t alignment, size_t size) {
  return allocate_memory([&] { return __libc_memalign(alignment, size); });
}

int posix_memalign(void** result, size_t alignment, size_t size) {
  *result = aligned_alloc(alignment, size);
  return *result == nullptr ? ENOMEM : 0;
}

// The names of files with 64-bit offsets.
__attribute__((alias("open"))) int open64(const char*, int, ...);
__attribute__((alias("openat"))) int openat64(int, const char*, int, ...);
__attribute__((alias("fopen"))) FILE* fopen64(const char*, const char*);
__attribute__((alias("pread"))) ssize_t pread64(int, void*, size_t, off_t);
__attribute__((alias("pwrite"))) ssize_t pwrite64(int, const void*, size_t, off_t);
__attribute__((alias("ftruncate"))) int ftruncate64(int, off_t) noexcept;
__attribute__((alias("posix_fallocate"))) int posix_fallocate64(int, off_t, off_t);
__attribute__((alias("mmap"))) void* mmap64(void*, size_t, int, int, int, off_t) noexcept;

}  // extern "C"
