#include "bench/suites/workplace.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "engine/base/error.h"

namespace graft::bench {

Workplace::Workplace() {
  std::error_code failure;
  std::string name =
      (std::filesystem::temp_directory_path(failure) / "graft-bench-XXXXXX").string();
  if (failure || ::mkdtemp(name.data()) == nullptr)
    throw Error(ErrorKind::io,
                fmt::format("no temporary folder {} can be made ({}); name a folder in TMPDIR",
                            name, failure ? failure.message() : std::strerror(errno)));
  path_ = name;
}

Workplace::~Workplace() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace graft::bench
