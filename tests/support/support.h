#pragma once
// Helpers of tests of every folder.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace graft::test {

// A folder of its own for one test, removed with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// The folder of reference numbers (environment GRAFT_REFERENCE_DIR, else the build's setting), or
// nothing on a machine that lacks it.
std::optional<std::filesystem::path> reference_folder();

// The imported VGG16 weights in the user's cache, or nothing: tools/fetch_weights.sh puts them
// there.
std::optional<std::filesystem::path> vgg16_weights_file();

// Compares two float arrays: first NaN in the same places, then Inf, then
// max |a - b| ≤ tolerance · max |b|.
::testing::AssertionResult nearly_equal(std::span<const float> actual,
                                        std::span<const float> expected, double tolerance);
// Bit for bit: NaN equals itself, and -0 differs from 0.
::testing::AssertionResult same_bytes(std::span<const float> a, std::span<const float> b);

// Random values, the same for the same seed: uniform between -scale and scale, or normal.
std::vector<float> random_values(std::size_t count, std::uint32_t seed, float scale = 1.0F);
std::vector<float> normal_values(std::size_t count, std::uint32_t seed, double scale = 1.0);

// The message of what the call throws; empty when it throws nothing.
template <typename Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

}  // namespace graft::test

// Skips the present test, by name and reason, where there are no reference numbers. (NOLINT: a name
// that is declared takes no parentheses.)
#define GRAFT_REFERENCE_OR_SKIP(variable)                                                     \
  const auto variable##_folder = ::graft::test::reference_folder();                           \
  if (!variable##_folder) GTEST_SKIP() << "needs the reference folder (GRAFT_REFERENCE_DIR)"; \
  const std::filesystem::path& variable = *variable##_folder  // NOLINT(bugprone-macro-parentheses)
