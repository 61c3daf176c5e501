#pragma once
// Files that are whole or absent. A write goes to a file beside the destination, is synced, renamed
// over it, and the folder is synced: after a kill or a power cut a reader finds the old bytes or
// the new ones. All functions throw Error(io) that names the path and the system's reason.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace graft {

// An open file descriptor. Move-only; closes in the destructor.
class File {
 public:
  enum class Mode { read, create_or_truncate, read_write, create_or_read_write };

  File(const std::filesystem::path& path, Mode mode);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;

  std::uint64_t size() const;
  void read_at(std::uint64_t offset, std::span<std::byte> bytes) const;  // all of them or an error
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  void append(std::span<const std::byte> bytes);
  void truncate(std::uint64_t size);
  // Takes disk space for [0, size) now, so that a full disk is met before the work, not after it.
  // Without enough room the file keeps its size and takes nothing.
  void reserve(std::uint64_t size);
  void sync_data();  // fdatasync
  void close();      // reports what a destructor cannot
  const std::filesystem::path& path() const { return path_; }
  int descriptor() const { return descriptor_; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

// A whole file, mapped read-only. Empty files give an empty span.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

std::span<const std::byte> as_bytes(std::string_view text);

// Reads a whole regular file; refuses one that is larger than `limit` before taking memory.
std::vector<std::byte> read_file(const std::filesystem::path& path, std::uint64_t limit);
std::string read_text_file(const std::filesystem::path& path, std::uint64_t limit);

// Where the bytes of `path` stand until they are whole: PATH.partial.
std::filesystem::path partial_path(const std::filesystem::path& path);
// The last step of "write beside, sync, rename": `beside` (synced by the caller) becomes `path`.
void rename_durably(const std::filesystem::path& beside, const std::filesystem::path& path);
void write_file_whole(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file_whole(const std::filesystem::path& path, std::string_view text);
// Creates the folder and its parents. An existing one is fine.
void make_folder(const std::filesystem::path& path);
void remove_file(const std::filesystem::path& path);  // absent is fine; the folder is synced

// An advisory lock on FOLDER/.lock, held while the object lives and freed by the kernel with the
// process. A second holder is refused with Error(io) that names the folder and the other process.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);

 private:
  File file_;
};

}  // namespace graft
