#include "engine/base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft {

namespace {

// One system call may be asked for less than this, and one that a signal cuts short is repeated.
constexpr std::size_t largest_transfer = std::size_t{1} << 30;

std::string advice_for(int code) {
  switch (code) {
    case ENOSPC:
    case EDQUOT:
      return "; free some space or choose another output folder, then run again";
    case EACCES:
    case EPERM:
    case EROFS:
      return "; check its permissions";
    case EFBIG:
      return "; raise the limit on the size of files (ulimit -f), or choose an output folder on a "
             "file system that takes larger files";
    case EMFILE:
      return "; raise the limit on open files (ulimit -n)";
    case ENOMEM:
      return "; memory ran out: end other programs, or raise the limit on it (ulimit -v)";
    default:
      return "";
  }
}

[[noreturn]] void fail(const std::string& action, const std::filesystem::path& path, int code) {
  throw Error(code == ENOMEM ? ErrorKind::device : ErrorKind::io, "cannot {} {}: {}{}", action,
              shown(path), std::strerror(code), advice_for(code));
}

void refuse_special_file(const char* action, const std::filesystem::path& path,
                         bool is_special = false) {
  std::error_code unknown;
  const auto status = std::filesystem::status(path, unknown);
  is_special |= std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
  if (!is_special) return;
  throw Error(ErrorKind::io, "cannot {} {}: not a regular file", action, shown(path));
}

int flags_of(File::Mode mode) {
  constexpr int flags = O_CLOEXEC | O_NONBLOCK;  // a pipe is not waited for
  if (mode == File::Mode::read) return flags | O_RDONLY;
  const int creates = mode == File::Mode::read_write ? 0 : O_CREAT;
  return flags | O_RDWR | O_NOFOLLOW | creates |
         (mode == File::Mode::create_or_truncate ? O_TRUNC : 0);
}

}  // namespace

void sync_folder(const std::filesystem::path& folder) {
  const std::filesystem::path name = folder.empty() ? "." : folder;
  const int descriptor = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail("open the folder", name, errno);
  const int result = ::fsync(descriptor);
  const int code = errno;
  ::close(descriptor);
  if (result != 0 && !is_missing_call(code)) fail("sync the folder", name, code);
}

File::File(const std::filesystem::path& path, Mode mode) : path_(path) {
  const bool reads = mode == Mode::read;
  descriptor_ = ::open(path.c_str(), flags_of(mode), 0666);
  if (descriptor_ >= 0) return;
  if (errno == ELOOP && !reads) {
    throw Error(ErrorKind::io, "cannot open {} for writing: it is a link; remove it", shown(path));
  }
  fail(reads ? "open" : "open for writing", path, errno);
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

std::uint64_t File::size() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) fail("look at", path_, errno);
  return static_cast<std::uint64_t>(status.st_size);
}

void File::read_at(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(descriptor_, bytes.data(), std::min(bytes.size(), largest_transfer),
                                static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("read", path_, errno);
    if (got == 0) {
      throw Error(ErrorKind::io, "cannot read {}: it ends {} bytes too early", shown(path_),
                  bytes.size());
    }
    offset += static_cast<std::uint64_t>(got);
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

void File::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put =
        ::pwrite(descriptor_, bytes.data(), std::min(bytes.size(), largest_transfer),
                 static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail("write", path_, errno);
    offset += static_cast<std::uint64_t>(put);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

void File::truncate(std::uint64_t size) {
  if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) fail("resize", path_, errno);
}

void File::reserve(std::uint64_t size) {
  if (size == 0) return;
  const std::uint64_t before = this->size();
  const int code = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(size));
  if (code == 0) return;
  if (is_missing_call(code)) return truncate(std::max(before, size));
  truncate(before);  // what was taken before the disk was full
  fail(fmt::format("reserve {} bytes for", size), path_, code);
}

void File::sync_data() {
  if (::fdatasync(descriptor_) != 0 && !is_missing_call(errno)) fail("sync", path_, errno);
}

void File::close() {
  const int descriptor = std::exchange(descriptor_, -1);
  if (descriptor >= 0 && ::close(descriptor) != 0) fail("close", path_, errno);
}

std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  const File file(path, File::Mode::read);
  const auto size = static_cast<std::size_t>(file.size());
  if (size == 0) return;
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
  const bool reads = data == MAP_FAILED && errno == ENODEV;  // into memory of the same size
  if (reads)
    data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) fail("map", path, errno);
  data_ = {static_cast<std::byte*>(data), Unmap{size}};
  if (reads) file.read_at(0, {data_.get(), size});
}

void Unmap::operator()(std::byte* data) const {
  ::munmap(data, size);
}

std::vector<std::byte> read_file(const std::filesystem::path& path, std::uint64_t limit) {
  refuse_special_file("read", path);
  const File file(path, File::Mode::read);
  const std::uint64_t size = file.size();
  if (size > limit) {
    throw Error(ErrorKind::io, "{} has {} bytes; a file for this purpose has at most {}",
                shown(path), size, limit);
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  file.read_at(0, bytes);
  if (file.size() != size) {
    throw Error(ErrorKind::io, "{} changed while it was read; run again when it is complete",
                shown(path));
  }
  return bytes;
}

std::string read_text_file(const std::filesystem::path& path, std::uint64_t limit) {
  const std::vector<std::byte> bytes = read_file(path, limit);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

namespace {

// Two processes would mix their bytes, or rename each other's half. Without flock nothing is known.
void refuse_second_writer(const File& file, const std::filesystem::path& path) {
  struct stat own {};
  struct stat there {};
  const bool is_locked = ::flock(file.descriptor(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  const bool is_renamed = ::stat(path.c_str(), &there) != 0
                              ? errno == ENOENT
                              : ::fstat(file.descriptor(), &own) == 0 &&
                                    (own.st_dev != there.st_dev || own.st_ino != there.st_ino);
  if (is_locked || is_renamed)
    throw Error(ErrorKind::io,
                "{} is being written by another process; try again when it has ended", shown(path));
}

}  // namespace

std::filesystem::path partial_path(const std::filesystem::path& path) {
  std::filesystem::path beside = path;
  beside += ".partial";
  return beside;
}

void rename_durably(const std::filesystem::path& beside, const std::filesystem::path& path) {
  if (::rename(beside.c_str(), path.c_str()) != 0) {
    fail("rename " + shown(beside) + " to", path, errno);
  }
  sync_folder(path.parent_path());
}

void write_durably(const std::filesystem::path& path, const std::function<void(File&)>& write) {
  std::error_code no_link;
  const auto target = std::filesystem::read_symlink(path, no_link);
  // /dev/stdout may lead to a regular file, and is none.
  refuse_special_file("replace", path, target.native().starts_with("/proc/"));
  const std::filesystem::path beside = partial_path(path);
  File file(beside, File::Mode::create_or_read_write);
  refuse_second_writer(file, beside);
  try {
    file.truncate(0);
    write(file);
    file.sync_data();
    file.close();
    rename_durably(beside, path);
  } catch (...) {
    std::error_code ignored;  // the first error is the one to report
    std::filesystem::remove(beside, ignored);
    throw;
  }
}

void write_file_whole(const std::filesystem::path& path, std::string_view text) {
  write_durably(path, [&](File& file) { file.append(as_bytes(text)); });
}

void make_folder(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path parent = path.parent_path();
  if (!parent.empty() && !std::filesystem::exists(parent, error) && !error) make_folder(parent);
  const bool is_new = std::filesystem::create_directory(path, error);
  if (error) fail("create the folder", path, error.value());
  if (is_new) sync_folder(parent);
}

void remove_file(const std::filesystem::path& path) {
  if (::unlink(path.c_str()) == 0) return sync_folder(path.parent_path());
  if (errno != ENOENT) fail("remove", path, errno);
}

std::optional<FileStamp> stamp_of(const std::filesystem::path& path) {
  struct stat status {};
  constexpr std::int64_t most = 9'000'000'000;  // seconds, whose nanoseconds are a number
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  if (status.st_mtim.tv_sec > most || status.st_mtim.tv_sec < -most) return std::nullopt;
  return FileStamp{static_cast<std::uint64_t>(status.st_size),
                   std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

bool others_can_write(const std::filesystem::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return false;
  if (status.st_uid != ::geteuid() && status.st_uid != 0) return true;
  return !S_ISLNK(status.st_mode) && (status.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

bool is_missing_call(int code) {
  return code == ENOSYS || code == EOPNOTSUPP || code == EINVAL;
}

}  // namespace graft
