// The shim: definitions that take the place of the C library's in a program that preloads this
// library. Nothing is really synced, so that tests are quick.

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

#include "tests/faults/fault.h"
#include "tests/faults/undo.h"

using namespace graft::faults;

namespace {

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

// What names a file: a descriptor, or a folder and a name.
struct Name {
  int folder;
  const char* name = "";
  std::string path() const { return *name == '\0' ? path_of(folder) : path_of(folder, name); }
};

// A call on a file: counted, then it meets the fault or is passed on to `real`.
template <typename Real>
long file_call(Call call, bool changes, Name file, Real real,
               const std::function<long()>& half = {}) {
  if (!is_counting()) return real();
  const Inside inside;
  if (!is_below_root(file.path())) return real();
  std::unique_lock lock(change_mutex(), std::defer_lock);
  if (changes) lock.lock();
  const int fault = meet(call, changes, half);
  if (fault == 0) return real();
  if (fault == do_half) return half();
  errno = fault;
  return -1;
}

long open_file(Name file, int flags, va_list more) {
  const unsigned mode = (flags & O_CREAT) != 0 ? va_arg(more, unsigned) : 0;
  const bool changes = (flags & (O_CREAT | O_TRUNC)) != 0;
  return file_call(Call::open, changes, file, [&] {
    const std::string path = changes ? file.path() : "";
    const bool is_new = changes && ::syscall(SYS_faccessat, AT_FDCWD, path.c_str(), F_OK) != 0;
    if ((flags & O_TRUNC) != 0) remember_content(path);
    const long result = ::syscall(SYS_openat, file.folder, file.name, flags, mode);
    if (is_new && result >= 0) remember_created(path);
    return result;
  });
}

template <typename Read>
ssize_t read_file(int descriptor, size_t count, Read read) {
  return file_call(
      Call::read, false, {descriptor}, [&] { return read(count); },
      [&] { return read((count + 1) / 2); });
}

template <typename Write>
ssize_t write_file(int descriptor, size_t count, Write write) {
  const auto real = [&](size_t size) {
    remember_content(descriptor);
    return write(size);
  };
  return file_call(
      Call::write, true, {descriptor}, [&] { return real(count); },
      [&] { return real((count + 1) / 2); });
}

template <typename Resize>
int resize_file(int descriptor, Resize resize) {
  return static_cast<int>(file_call(Call::size, true, {descriptor}, [&] {
    remember_content(descriptor);
    return resize();
  }));
}

int rename_file(Name from, Name to, unsigned flags) {
  return static_cast<int>(file_call(Call::rename, true, to,
                                    [&] { return rename_entry(from.path(), to.path(), flags); }));
}

int remove_file(Name file, int flags) {
  return static_cast<int>(
      file_call(Call::remove, true, file, [&] { return remove_entry(file.path(), flags); }));
}

int look_at(Name file, struct stat* status, int flags) {
  return static_cast<int>(file_call(Call::stat, false, file, [&] {
    return ::syscall(SYS_newfstatat, file.folder, file.name, status, flags);
  }));
}

template <typename Allocate>
void* allocate_memory(Allocate allocate) {
  if (!is_counting()) return allocate();
  const Inside inside;
  const int fault = meet(Call::memory, false);
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
    begin_main();
    return real_main(words, list, environment);
  };
  return next<decltype(__libc_start_main)>("__libc_start_main")(counted_main, count, arguments,
                                                                init, fini, loader_fini, stack_end);
}

int open(const char* name, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const long result = open_file({AT_FDCWD, name}, flags, more);
  va_end(more);
  return static_cast<int>(result);
}

int openat(int folder, const char* name, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const long result = open_file({folder, name}, flags, more);
  va_end(more);
  return static_cast<int>(result);
}

FILE* fopen(const char* name, const char* mode) {
  FILE* result = nullptr;
  file_call(Call::open, *mode != 'r', {AT_FDCWD, name}, [&] {
    result = next<decltype(fopen)>("fopen")(name, mode);
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
  file_call(Call::list, false, {::dirfd(folder)}, [&] {
    result = next<decltype(readdir)>("readdir")(folder);
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
  return static_cast<int>(file_call(Call::sync, true, {descriptor}, [&] {
    remember_synced(descriptor);
    return 0L;
  }));
}

int fdatasync(int descriptor) {
  return fsync(descriptor);
}

int rename(const char* from, const char* to) noexcept {
  return rename_file({AT_FDCWD, from}, {AT_FDCWD, to}, 0);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) noexcept {
  return rename_file({from_folder, from}, {to_folder, to}, flags);
}

int unlink(const char* name) noexcept {
  return remove_file({AT_FDCWD, name}, 0);
}

int unlinkat(int folder, const char* name, int flags) noexcept {
  return remove_file({folder, name}, flags);
}

int remove(const char* name) noexcept {
  struct stat status {};
  ::syscall(SYS_newfstatat, AT_FDCWD, name, &status, AT_SYMLINK_NOFOLLOW);
  return remove_file({AT_FDCWD, name}, S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0);
}

int mkdir(const char* name, mode_t mode) noexcept {
  const Name folder{AT_FDCWD, name};
  return static_cast<int>(file_call(Call::folder, true, folder, [&] {
    const long result = ::syscall(SYS_mkdirat, AT_FDCWD, name, mode);
    if (result == 0) remember_created(folder.path());
    return result;
  }));
}

int stat(const char* name, struct stat* status) noexcept {
  return look_at({AT_FDCWD, name}, status, 0);
}

int lstat(const char* name, struct stat* status) noexcept {
  return look_at({AT_FDCWD, name}, status, AT_SYMLINK_NOFOLLOW);
}

int fstat(int descriptor, struct stat* status) noexcept {
  return look_at({descriptor}, status, AT_EMPTY_PATH);
}

int flock(int descriptor, int operation) noexcept {
  return static_cast<int>(file_call(Call::lock, false, {descriptor},
                                    [&] { return ::syscall(SYS_flock, descriptor, operation); }));
}

int close(int descriptor) {
  const long result =
      file_call(Call::close, false, {descriptor}, [&] { return ::syscall(SYS_close, descriptor); });
  const int code = errno;
  if (result != 0) ::syscall(SYS_close, descriptor);  // as on Linux: it closes all the same
  errno = code;
  return static_cast<int>(result);
}

void* mmap(void* address, size_t size, int protection, int flags, int descriptor,
           off_t offset) noexcept {
  void* result = MAP_FAILED;
  const auto map = [&](int file) {
    result = reinterpret_cast<void*>(
        ::syscall(SYS_mmap, address, size, protection, flags, file, offset));
    return 0L;
  };
  if (file_call(Call::map, false, {descriptor}, [&] { return map(descriptor); }) != 0 &&
      errno == raise_bus_error)
    map(::memfd_create("empty", MFD_CLOEXEC));
  return result;
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*),
                   void* argument) {
  if (is_counting()) {
    const Inside inside;
    if (const int fault = meet(Call::thread, false)) return fault;
  }
  return next<decltype(pthread_create)>("pthread_create")(thread, attributes, start, argument);
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

// The names of files with 64-bit offsets.
__attribute__((alias("open"))) int open64(const char*, int, ...);
__attribute__((alias("fopen"))) FILE* fopen64(const char*, const char*);

}  // extern "C"
