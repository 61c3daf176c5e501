#pragma once
// A folder for what a benchmark makes, that goes with the object.

#include <filesystem>

namespace graft::bench {

class Workplace {
 public:
  // In the system's folder for temporary files (TMPDIR). Throws Error(io).
  Workplace();
  ~Workplace();
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace graft::bench
