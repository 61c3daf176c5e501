#include "tools/graft/path_reader.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "engine/base/error.h"

namespace graft::program {

std::vector<std::string> PathReader::next(std::size_t most) {
  std::vector<std::string> paths;
  try {
    while (paths.size() < most && (take_path(paths) || read_more(paths.empty()))) {
    }
  } catch (const Error&) {  // the next call throws it again
    if (paths.empty()) throw;
  }
  return paths;
}

// False: the buffer has no complete path.
bool PathReader::take_path(std::vector<std::string>& paths) {
  const std::size_t end = std::min(buffer_.find(separator_), buffer_.size());
  std::string path = buffer_.substr(0, end);
  if (path.size() >= PATH_MAX || path.find('\0') != std::string::npos)
    throw Error(ErrorKind::usage,
                "standard input has a line of more than {} bytes or with a NUL byte, which is no "
                "path; -0 reads paths separated by NUL",
                PATH_MAX - 1);
  if (end == buffer_.size() && (!ended_ || path.empty())) return false;
  buffer_.erase(0, end + 1);
  const bool is_first = std::exchange(at_start_, false);
  if (separator_ == '\n' && is_first && path.starts_with("\xEF\xBB\xBF")) path.erase(0, 3);
  if (separator_ == '\n' && path.ends_with('\r')) path.pop_back();
  paths.push_back(std::move(path));
  return true;
}

// False: there is nothing to read, now or at all.
bool PathReader::read_more(bool wait) {
  if (ended_) return false;
  pollfd input{input_, POLLIN, 0};
  const int ready = poll(&input, 1, wait ? -1 : 0);
  if (ready == 0) return false;
  std::array<char, 65536> block;
  const ssize_t count = ready < 0 ? -1 : read(input_, block.data(), block.size());
  if (count < 0 && errno != EINTR && errno != EAGAIN)
    throw Error(ErrorKind::io, "standard input cannot be read: {}", std::strerror(errno));
  ended_ = count == 0;
  if (count > 0) buffer_.append(block.data(), static_cast<std::size_t>(count));
  return true;
}

}  // namespace graft::program
