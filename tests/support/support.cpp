#include "tests/support/support.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace graft::test {

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "graft-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder: " + name);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::optional<std::filesystem::path> reference_folder() {
  const std::string named = environment("GRAFT_REFERENCE_DIR");
  const std::filesystem::path folder = named.empty() ? GRAFT_REFERENCE_DIR : named;
  if (!std::filesystem::is_directory(folder / "reference")) return std::nullopt;
  return folder;
}

std::optional<std::filesystem::path> vgg16_weights_file() {
  std::filesystem::path cache = environment("GRAFT_CACHE");
  if (cache.empty() && !environment("XDG_CACHE_HOME").empty()) {
    cache = std::filesystem::path(environment("XDG_CACHE_HOME")) / "graft";
  }
  if (cache.empty()) cache = std::filesystem::path(environment("HOME")) / ".cache" / "graft";
  const std::filesystem::path file = cache / "vgg16_imagenet.safetensors";
  if (!std::filesystem::is_regular_file(file)) return std::nullopt;
  return file;
}

::testing::AssertionResult nearly_equal(std::span<const float> actual,
                                        std::span<const float> expected, double tolerance) {
  if (actual.size() != expected.size()) {
    return ::testing::AssertionFailure()
           << actual.size() << " values where " << expected.size() << " were expected";
  }
  double largest = 0.0;
  double worst = 0.0;
  std::size_t where = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (std::isnan(actual[i]) != std::isnan(expected[i])) {
      return ::testing::AssertionFailure() << "NaN differs at " << i << ": " << actual[i]
                                           << " where " << expected[i] << " was expected";
    }
    if (std::isnan(expected[i])) continue;
    if (std::isinf(actual[i]) || std::isinf(expected[i])) {
      if (actual[i] == expected[i]) continue;
      return ::testing::AssertionFailure() << "Inf differs at " << i << ": " << actual[i]
                                           << " where " << expected[i] << " was expected";
    }
    const double difference = std::abs(static_cast<double>(actual[i]) - expected[i]);
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
    if (difference > worst) {
      worst = difference;
      where = i;
    }
  }
  if (worst <= tolerance * largest) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "off by " << worst << " at " << where << " (" << actual[where] << " where "
         << expected[where] << " was expected); allowed is " << tolerance << " of the largest, "
         << largest;
}

::testing::AssertionResult same_bytes(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return ::testing::AssertionFailure() << "sizes differ";
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::bit_cast<std::uint32_t>(a[i]) == std::bit_cast<std::uint32_t>(b[i])) continue;
    return ::testing::AssertionFailure() << "at " << i << ": " << a[i] << " and " << b[i];
  }
  return ::testing::AssertionSuccess();
}

std::vector<float> random_values(std::size_t count, std::uint32_t seed, float scale) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-scale, scale);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(generator);
  return values;
}

std::vector<float> normal_values(std::size_t count, std::uint32_t seed, double scale) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, static_cast<float>(scale));
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

}  // namespace graft::test
