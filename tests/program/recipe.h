#pragma once
// A small, complete recipe for the program: a few generated photos in two classes, the full-size
// VGG16 (with the real weights if the machine has them, else random ones) and a config.

#include <filesystem>
#include <string>
#include <vector>

#include "tests/program/child.h"
#include "tests/support/support.h"

namespace graft::test {

class Recipe {
 public:
  // Four training and two validation photos of each class.
  Recipe();

  const std::filesystem::path& folder() const { return folder_.path(); }
  std::filesystem::path config() const { return folder_ / "config.json"; }
  std::filesystem::path output(const std::string& name) const { return folder_ / name; }
  std::filesystem::path result(const std::string& name) const { return folder_ / name / "result"; }

  // `graft COMMAND config.json --output FOLDER/name …`
  std::vector<std::string> arguments(const std::string& command, const std::string& name,
                                     const std::vector<std::string>& more = {}) const;
  Outcome run(const std::string& name, const std::vector<std::string>& more = {}) const;

 private:
  TemporaryFolder folder_;
};

// The bytes that must not depend on when a run was stopped: features, classifier, history.
::testing::AssertionResult same_results(const std::filesystem::path& actual,
                                        const std::filesystem::path& expected);

std::string text_of(const std::filesystem::path& path);
std::vector<std::string> lines_of(const std::string& text);

}  // namespace graft::test
