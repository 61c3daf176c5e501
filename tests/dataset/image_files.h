#pragma once
// Small real image files, and an observer that remembers what it was told.

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/observer.h"

namespace graft::test {

// "cat" 7 ".png" as "cat7.png".
std::string numbered(std::string_view before, std::size_t number, std::string_view after = {});

// A PNG of 40 × 36 pixels that follow from `seed`: equal seeds give equal bytes.
std::vector<std::byte> png_bytes(unsigned seed);
// The same with a good header and damaged pixels: it passes a header check and cannot be decoded.
std::vector<std::byte> png_with_damaged_pixels(unsigned seed);

// Creates the folders above the file too.
void write_bytes(const std::filesystem::path& path, const std::vector<std::byte>& bytes);
void write_png(const std::filesystem::path& path, unsigned seed);
void write_text(const std::filesystem::path& path, std::string_view text);

class RecordingObserver final : public Observer {
 public:
  void begin(std::string_view stage, std::size_t total, std::string_view unit) override;
  void advance(std::size_t done_in_all) override;
  void end() override;
  void note(std::string_view sentence) override { notes.emplace_back(sentence); }
  void warn(std::string_view sentence) override { warnings.emplace_back(sentence); }
  void row(std::string_view line) override { rows.emplace_back(line); }

  std::string all_notes() const;

  std::vector<std::string> stages, notes, warnings, rows;
  std::size_t done = 0;   // the last advance
  std::size_t total = 0;  // of the last stage
  bool in_stage = false;
  bool misused = false;  // nested stages, progress outside one, backwards or beyond the total
};

// The message of the graft::Error that the call throws; empty when it throws none.
template <typename Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

// While it lives, permissions bind as for any user, also when root runs the tests.
class WithoutPrivileges {
 public:
  WithoutPrivileges();
  ~WithoutPrivileges();
  WithoutPrivileges(const WithoutPrivileges&) = delete;
  WithoutPrivileges& operator=(const WithoutPrivileges&) = delete;
  bool bound() const { return bound_; }

 private:
  bool was_root_ = false;
  bool bound_ = false;
};

}  // namespace graft::test
