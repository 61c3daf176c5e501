#pragma once
// A file of packed weights: what WinogradConvolution::pack_weights makes, kept so that the next
// start maps it instead of making it again. The machine's own byte order; sections begin on pages,
// so that a kernel reads them where they are mapped.
//
//   ┌────────────────────────┬─────────┬─────────┬─────┐
//   │ header: key, sections, │ layer 0 │ layer 1 │  …  │
//   │ digest of the header   │         │         │     │
//   └────────────────────────┴─────────┴─────────┴─────┘
//   0                     4096         multiples of 4096
//
// What is read is what was written:
//   half-written   the file gets its name when it is whole and on the disk (write beside, sync,
//                  rename), and its size is checked
//   outdated       the key in the header must be the one that is asked for
//   damaged        header and each section carry a digest (XXH3, 128 bits), checked at each start:
//                  the weights are all read anyway, and features from damaged ones would look like
//                  any others
//   replaced       a file that is in use is never written to: a new one takes its name, and those
//                  who mapped the old one keep it
//
// This holds against graft's own writers, on a local file system. Whoever else truncates or
// overwrites the mapped file in place ends the program with SIGBUS, or changes its weights after
// they were checked: replace or remove the file, never overwrite it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <utility>

#include "engine/base/digest.h"
#include "engine/base/file.h"
#include "engine/weights/vgg16_weights.h"
#include "kernels/cpu/thread_pool.h"

namespace graft::cpu {

// Equal keys promise equal bytes. Neither the size of the images nor the cut in tiles is part of
// it: all positions are packed, and a layer reads those that its tiles have.
struct PackedWeightsKey {
  Digest weights;  // of the values that are packed
  std::uint64_t version = 0;
  std::uint64_t panel_columns = 0;
  std::array<std::uint64_t, vgg16_convolutions> floats{};  // of each layer
  bool operator==(const PackedWeightsKey&) const = default;
};

using PackedLayers = std::array<std::span<const float>, vgg16_convolutions>;
using PackedDigests = std::array<Digest, vgg16_convolutions>;

PackedDigests digests_of(const PackedLayers& layers, ThreadPool& threads);

class PackedWeightsFile {
 public:
  // Maps the file. Nothing when there is none, or it is not a whole one of this key. Throws
  // Error(io) when it is there and cannot be read.
  static std::optional<PackedWeightsFile> open(const std::filesystem::path& path,
                                               const PackedWeightsKey& key);

  const PackedLayers& layers() const { return layers_; }     // good as long as the object lives
  const PackedDigests& digests() const { return digests_; }  // that the layers must have

 private:
  explicit PackedWeightsFile(MappedFile file) : file_(std::move(file)) {}
  MappedFile file_;
  PackedLayers layers_{};
  PackedDigests digests_{};
};

// Writes beside, syncs, renames. Returns false, and does nothing, while another process writes the
// same file. Throws Error(io) and leaves nothing half-written behind, on a full disk too.
bool write_packed_weights(const std::filesystem::path& path, const PackedWeightsKey& key,
                          const PackedLayers& layers, ThreadPool& threads);

}  // namespace graft::cpu
