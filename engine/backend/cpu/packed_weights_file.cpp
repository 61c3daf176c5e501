#include "engine/backend/cpu/packed_weights_file.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <functional>
#include <system_error>
#include <type_traits>
#include <utility>

#include "engine/base/error.h"

namespace graft::cpu {
namespace {

constexpr std::uint64_t page = 4096;

struct Section {
  std::uint64_t offset = 0, floats = 0;  // bytes from the start of the file; values
  Digest digest;
};

struct Header {
  std::uint64_t magic = 0x31534b4341505447;  // "GTPACKS1" on a little-endian machine
  std::uint64_t version = 0, panel_columns = 0;
  Digest weights;
  std::array<Section, vgg16_convolutions> sections{};
  std::uint64_t file_bytes = 0;
  Digest checksum;  // of the bytes before it
};
static_assert(std::is_trivially_copyable_v<Header> &&
              std::has_unique_object_representations_v<Header> && sizeof(Header) <= page);

Digest checksum_of(const Header& header) {
  return digest_of(std::as_bytes(std::span(&header, 1)).first(offsetof(Header, checksum)));
}

// The header of a file with this key. The digests are those of the sections.
Header header_of(const PackedWeightsKey& key, const PackedDigests& digests) {
  Header header;
  header.version = key.version;
  header.panel_columns = key.panel_columns;
  header.weights = key.weights;
  std::uint64_t offset = page;
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    header.sections[layer] = {offset, key.floats[layer], digests[layer]};
    offset += (key.floats[layer] * sizeof(float) + page - 1) / page * page;
  }
  header.file_bytes = offset;
  header.checksum = checksum_of(header);
  return header;
}

PackedDigests digests_in(const Header& header) {
  PackedDigests digests;
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    digests[layer] = header.sections[layer].digest;
  }
  return digests;
}

// The file beside, held alone, and removed at the end unless it was renamed. Another process may
// have renamed or removed it between open() and flock(): then the lock is on a file that is no
// longer the one of that name, and what has the name now belongs to somebody else.
class LockedPartialFile {
 public:
  explicit LockedPartialFile(const std::filesystem::path& path)
      : file_(path, File::Mode::create_or_read_write) {
    if (::flock(file_.descriptor(), LOCK_EX | LOCK_NB) != 0) {
      const int code = errno;
      if (code == EWOULDBLOCK) return;
      if (has_its_name() && file_.size() == 0) ::unlink(path.c_str());  // open() has made it
      throw Error(ErrorKind::io,
                  "cannot lock " + path.string() + ": " + std::system_category().message(code));
    }
    held_ = has_its_name();
  }
  ~LockedPartialFile() {
    if (held_ && has_its_name()) ::unlink(file_.path().c_str());
  }
  LockedPartialFile(const LockedPartialFile&) = delete;
  LockedPartialFile& operator=(const LockedPartialFile&) = delete;
  bool held() const { return held_; }
  File& file() { return file_; }

 private:
  bool has_its_name() const {
    struct stat opened {
    }, named{};
    return ::fstat(file_.descriptor(), &opened) == 0 && ::stat(file_.path().c_str(), &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
  }

  File file_;
  bool held_ = false;
};

void write_whole(File& file, const Header& header, const PackedLayers& layers) {
  file.truncate(0);  // a writer that was killed may have left it half-written
  file.reserve(header.file_bytes);
  file.write_at(0, std::as_bytes(std::span(&header, 1)));
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    file.write_at(header.sections[layer].offset, std::as_bytes(layers[layer]));
  }
  file.sync_data();
}

}  // namespace

PackedDigests digests_of(const PackedLayers& layers, ThreadPool& threads) {
  PackedDigests digests;
  const auto digest = [&](std::size_t layer, std::size_t) {
    digests[layer] = digest_of(std::as_bytes(layers[layer]));
  };
  threads.parallel_for(vgg16_convolutions, std::cref(digest));
  return digests;
}

std::optional<PackedWeightsFile> PackedWeightsFile::open(const std::filesystem::path& path,
                                                         const PackedWeightsKey& key) {
  std::error_code unknown;
  if (!std::filesystem::is_regular_file(path, unknown)) return std::nullopt;
  PackedWeightsFile result{MappedFile(path)};
  const std::span<const std::byte> bytes = result.file_.bytes();
  Header header;
  if (bytes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  // The digests of the sections are what the file says; all else follows from the key.
  const Header due = header_of(key, digests_in(header));
  if (std::memcmp(&header, &due, sizeof header) != 0 || bytes.size() != due.file_bytes) {
    return std::nullopt;
  }
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    const Section& section = header.sections[layer];
    result.layers_[layer] = {reinterpret_cast<const float*>(bytes.data() + section.offset),
                             section.floats};
  }
  result.digests_ = digests_in(header);
  return result;
}

bool write_packed_weights(const std::filesystem::path& path, const PackedWeightsKey& key,
                          const PackedLayers& layers, ThreadPool& threads) {
  const std::filesystem::path beside = partial_path(path);
  LockedPartialFile partial(beside);
  if (!partial.held()) return false;
  write_whole(partial.file(), header_of(key, digests_of(layers, threads)), layers);
  rename_durably(beside, path);
  return true;
}

}  // namespace graft::cpu
