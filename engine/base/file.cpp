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
    default:
      return "";
  }
}

[[noreturn]] void fail(const std::string& action, const std::filesystem::path& path, int code) {
  throw Error(ErrorKind::io, fmt::format("cannot {} {}: {}{}", action, shown(path),
                                         std::strerror(code), advice_for(code)));
}

int flags_of(File::Mode mode) {
  switch (mode) {
    case File::Mode::read:
      return O_RDONLY;
    case File::Mode::create_or_truncate:
      return O_RDWR | O_CREAT | O_TRUNC;
    case File::Mode::read_write:
      return O_RDWR;
    case File::Mode::create_or_read_write:
      return O_RDWR | O_CREAT;
  }
  return O_RDONLY;
}

}  // namespace

void sync_folder(const std::filesystem::path& folder) {
  const std::filesystem::path name = folder.empty() ? "." : folder;
  const int descriptor = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail("open the folder", name, errno);
  const int result = ::fsync(descriptor);
  const int code = errno;
  ::close(descriptor);
  // Some file systems have nothing to sync for a folder and say EINVAL.
  if (result != 0 && code != EINVAL) fail("sync the folder", name, code);
}

File::File(const std::filesystem::path& path, Mode mode) : path_(path) {
  descriptor_ = ::open(path.c_str(), flags_of(mode) | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail(mode == Mode::read ? "open" : "open for writing", path, errno);
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
      throw Error(ErrorKind::io, fmt::format("cannot read {}: it ends {} bytes too early",
                                             shown(path_), bytes.size()));
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
  truncate(before);  // what was taken before the disk was full
  fail(fmt::format("reserve {} bytes for", size), path_, code);
}

void File::sync_data() {
  if (::fdatasync(descriptor_) != 0) fail("sync", path_, errno);
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
  if (data == MAP_FAILED) fail("map", path, errno);
  data_ = {static_cast<std::byte*>(data), Unmap{size}};
}

void Unmap::operator()(std::byte* data) const {
  ::munmap(data, size);
}

std::vector<std::byte> read_file(const std::filesystem::path& path, std::uint64_t limit) {
  std::error_code unknown;
  if (std::filesystem::exists(path, unknown) && !std::filesystem::is_regular_file(path, unknown)) {
    throw Error(ErrorKind::io, fmt::format("cannot read {}: not a regular file", shown(path)));
  }
  const File file(path, File::Mode::read);
  const std::uint64_t size = file.size();
  if (size > limit) {
    throw Error(ErrorKind::io,
                fmt::format("{} has {} bytes; a file for this purpose has at most {}", shown(path),
                            size, limit));
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  file.read_at(0, bytes);
  return bytes;
}

std::string read_text_file(const std::filesystem::path& path, std::uint64_t limit) {
  const std::vector<std::byte> bytes = read_file(path, limit);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

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
  const std::filesystem::path beside = partial_path(path);
  try {
    File file(beside, File::Mode::create_or_truncate);
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
  std::filesystem::create_directories(path, error);
  if (error) fail("create the folder", path, error.value());
}

void remove_file(const std::filesystem::path& path) {
  if (::unlink(path.c_str()) == 0) return sync_folder(path.parent_path());
  if (errno != ENOENT) fail("remove", path, errno);
}

FolderLock::FolderLock(const std::filesystem::path& folder)
    : file_(folder / ".lock", File::Mode::create_or_read_write) {
  if (::flock(file_.descriptor(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) fail("lock", file_.path(), errno);
    std::string holder(static_cast<std::size_t>(std::min<std::uint64_t>(file_.size(), 20)), '\0');
    file_.read_at(0, {reinterpret_cast<std::byte*>(holder.data()), holder.size()});
    throw Error(ErrorKind::io,
                fmt::format("the folder {} is in use by another run (process {}); wait for it, or "
                            "choose another output",
                            shown(folder), holder.empty() ? "unknown" : holder));
  }
  file_.truncate(0);
  file_.write_at(0, as_bytes(std::to_string(::getpid())));
}

}  // namespace graft
