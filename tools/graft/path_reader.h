#pragma once
// Paths from standard input, one a line or separated by NUL.

#include <unistd.h>

#include <cstddef>
#include <string>
#include <vector>

namespace graft::program {

// A line may end in CR LF, the last one in nothing, and the first one may begin with a byte order
// mark. Separated by NUL, a path is taken byte for byte. Takes no more memory than a path and a block.
class PathReader {
 public:
  explicit PathReader(bool null_separated, int input = STDIN_FILENO)
      : separator_(null_separated ? '\0' : '\n'), input_(input) {}

  // Waits for one path, then takes what else is there without waiting, up to `most` paths. None: the
  // input has ended. Throws Error(usage) for what cannot be a path, and Error(io), after the paths
  // before it were returned.
  std::vector<std::string> next(std::size_t most);

 private:
  bool take_path(std::vector<std::string>& paths);
  bool read_more(bool wait);

  const char separator_;
  const int input_;
  std::string buffer_;  // read, and not yet returned
  bool at_start_ = true;
  bool ended_ = false;
};

}  // namespace graft::program
