#pragma once
// Files that are complete or absent. A write goes to a partial file, which is synced and renamed;
// then the folder is synced. After a kill or a power cut a reader finds the old bytes or the new
// ones. All functions throw Error(io) that names the path and the system's reason, or Error(device)
// when memory runs out. A file system that cannot sync, reserve or map is served without: FolderLock
// warns where nothing can be synced.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace graft {

// An open file descriptor. Move-only; closes in the destructor. A link is followed for reading only.
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
  void append(std::span<const std::byte> bytes) { write_at(size(), bytes); }
  void truncate(std::uint64_t size);
  // Takes disk space for [0, size) now, so that a full disk fails before the work, not after it.
  // On failure the file keeps its size and takes nothing.
  void reserve(std::uint64_t size);
  void sync_data();  // fdatasync
  void close();      // reports what a destructor cannot
  const std::filesystem::path& path() const { return path_; }
  int descriptor() const { return descriptor_; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

struct Unmap {
  std::size_t size = 0;
  void operator()(std::byte* data) const;
};

// A file, mapped read-only. Move-only. An empty file gives an empty span.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  std::span<const std::byte> bytes() const { return {data_.get(), data_.get_deleter().size}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::unique_ptr<std::byte, Unmap> data_;
};

std::span<const std::byte> as_bytes(std::string_view text);

// Reads a regular file. Refuses one that is larger than `limit` before it takes memory, and one that
// changes its size while it is read.
std::vector<std::byte> read_file(const std::filesystem::path& path, std::uint64_t limit);
std::string read_text_file(const std::filesystem::path& path, std::uint64_t limit);

// Where the bytes of `path` are until they are complete: PATH.partial.
std::filesystem::path partial_path(const std::filesystem::path& path);
// The last step of a write: `beside`, which the caller has synced, becomes `path`.
void rename_durably(const std::filesystem::path& beside, const std::filesystem::path& path);
// Calls `write` with the partial file, syncs and renames it. Removes it when something throws.
// A link at `path` is replaced by the file.
void write_durably(const std::filesystem::path& path, const std::function<void(File&)>& write);
void write_file_whole(const std::filesystem::path& path, std::string_view text);
// Creates the folder and its parents. An existing one is fine.
void make_folder(const std::filesystem::path& path);
void remove_file(const std::filesystem::path& path);  // absent is fine; the folder is synced
void sync_folder(const std::filesystem::path& folder);

// What shows without reading that a file is still as it was.
struct FileStamp {
  std::uint64_t size = 0;  // bytes
  std::int64_t time = 0;   // of the last change of its content, in ns since 1970
  bool operator==(const FileStamp&) const = default;
};
// Follows a link. Nothing for what is absent or cannot be looked at.
std::optional<FileStamp> stamp_of(const std::filesystem::path& path);

// Whether the file or folder belongs to another user than root, or its group or everybody may write
// it. A link is judged by its owner. False for an absent path.
bool others_can_write(const std::filesystem::path& path);

// Whether the code of a failed call says that the file system does not have the call.
bool is_missing_call(int code);

}  // namespace graft
