#pragma once
// Image files, read and checked within a budget of memory that all threads share.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/memory_budget.h"
#include "engine/config/config.h"

namespace graft {

// The bytes of data.decode_memory_mib.
MemoryBudget decoding_budget(const DataConfig& data);

// What the caller does with a file: compute its digest, or decode and resize it too.
enum class ImageUse { check, decode };

struct ImageFile {
  MemoryBudget::Reservation memory;  // first: it is returned after the bytes are freed
  std::vector<std::byte> bytes;
  std::uint64_t decoding_memory = 0;  // what the reservation holds for decode
};

// Reads a file whose first bytes are an image's, and checks it by inspect_image. The reservation
// holds the file and, for decode, what decode_image and resize_image take with the settings of
// `data`. Throws BadImage for what the content shows, also for a file that needs more than the
// complete budget; Error(io) for what is no regular file or cannot be read; Error(device) where
// memory runs out, and Error(interrupted) on stop.
ImageFile read_image_file(const std::filesystem::path& path, const DataConfig& data, ImageUse use,
                          MemoryBudget& budget, const std::stop_token& stop);

// For a std::bad_alloc while this file was in use.
Error memory_ran_out(const std::filesystem::path& path);

}  // namespace graft
