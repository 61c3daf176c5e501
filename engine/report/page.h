#pragma once
// The page report.html: what was trained on what, how well it classifies the validation photos, and
// which of them it gets wrong. One file without outside references. It holds no date, duration, host
// or complete path, so that the same run gives the same bytes.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "engine/config/config.h"
#include "engine/head/history.h"
#include "engine/report/report.h"

namespace graft {

// All is borrowed.
struct PageInput {
  const Config& config;
  const History& history;                          // of at least one epoch
  std::span<const std::uint32_t> training_labels;  // of photos
  // Of the validation photos, as summarise took them.
  const Evaluation& evaluation;
  std::span<const float> probabilities;
  std::span<const std::uint32_t> labels;
  std::span<const std::string> files;
  // Where a validation photo is now. One that cannot be read is shown in words.
  std::function<std::filesystem::path(const std::string& file)> photo;
};
std::string report_page(const PageInput& input);

}  // namespace graft
