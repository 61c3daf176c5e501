#include "tests/dataset/image_files.h"

#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb_image_write.h>

namespace graft::test {
namespace {

constexpr int width = 40;
constexpr int height = 36;

}  // namespace

std::string numbered(std::string_view before, std::size_t number, std::string_view after) {
  std::string name(before);
  name += std::to_string(number);
  name += after;
  return name;
}

std::vector<std::byte> png_bytes(unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> rgb(std::size_t{width} * height * 3);
  for (std::uint8_t& value : rgb) value = static_cast<std::uint8_t>(random());
  std::vector<std::byte> png;
  const auto append = [](void* context, void* data, int size) {
    auto& bytes = *static_cast<std::vector<std::byte>*>(context);
    const auto* first = static_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), first, first + size);
  };
  if (stbi_write_png_to_func(append, &png, width, height, 3, rgb.data(), width * 3) == 0) {
    throw std::runtime_error("no PNG was written");
  }
  return png;
}

std::vector<std::byte> png_with_damaged_pixels(unsigned seed) {
  std::vector<std::byte> png = png_bytes(seed);
  for (std::size_t i = png.size() / 2; i < png.size() / 2 + 8; ++i) png[i] ^= std::byte{0x5A};
  return png;
}

void write_bytes(const std::filesystem::path& path, const std::vector<std::byte>& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

void write_png(const std::filesystem::path& path, unsigned seed) {
  write_bytes(path, png_bytes(seed));
}

void write_text(const std::filesystem::path& path, std::string_view text) {
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  write_bytes(path, {first, first + text.size()});
}

void RecordingObserver::begin(std::string_view stage, std::size_t all, std::string_view) {
  misused = misused || in_stage;
  stages.emplace_back(stage);
  in_stage = true;
  done = 0;
  total = all;
}

void RecordingObserver::advance(std::size_t done_in_all) {
  misused = misused || !in_stage || done_in_all > total;
  done = done_in_all;
}

void RecordingObserver::end() {
  misused = misused || !in_stage;
  in_stage = false;
}

std::string RecordingObserver::all_notes() const {
  std::string all;
  for (const std::string& one : notes) all += one + "\n";
  return all;
}

WithoutPrivileges::WithoutPrivileges() {
  was_root_ = ::geteuid() == 0;
  bound_ = !was_root_ || ::seteuid(65534) == 0;
}

WithoutPrivileges::~WithoutPrivileges() {
  if (was_root_ && ::seteuid(0) != 0) std::abort();
}

}  // namespace graft::test
