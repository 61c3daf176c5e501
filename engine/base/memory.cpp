#include "engine/base/memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

#include "engine/base/error.h"

namespace graft {
namespace {

constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

bool has_memory(const std::string& comma_separated) {
  return (',' + comma_separated + ',').find(",memory,") != std::string::npos;
}

// A hierarchy of control groups that limits memory, as a line of /proc/self/mountinfo shows it:
//   ID PARENT DEVICE ROOT MOUNT_POINT OPTIONS… - TYPE SOURCE SUPER_OPTIONS
struct Hierarchy {
  std::filesystem::path root;         // the group that is mounted
  std::filesystem::path mount_point;  // where
  bool unified = false;               // version 2
  const char* limit_file() const { return unified ? "memory.max" : "memory.limit_in_bytes"; }
};

std::optional<Hierarchy> parse_mount(const std::string& line) {
  const std::size_t dash = line.find(" - ");
  if (dash == std::string::npos) return std::nullopt;
  std::istringstream before(line.substr(0, dash));
  std::istringstream after(line.substr(dash + 3));
  std::string id, parent, device, root, mount_point, type, source, options;
  before >> id >> parent >> device >> root >> mount_point;
  after >> type >> source >> options;
  const bool unified = type == "cgroup2";
  if (!unified && !(type == "cgroup" && has_memory(options))) return std::nullopt;
  return Hierarchy{root, mount_point, unified};
}

// The path of this process's group in a hierarchy, from lines ID:CONTROLLERS:PATH of
// /proc/self/cgroup; version 2 names no controllers.
std::optional<std::string> group_in(const Hierarchy& hierarchy, const std::filesystem::path& list) {
  std::ifstream lines(list);
  std::string line;
  while (std::getline(lines, line)) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (hierarchy.unified ? controllers.empty() : has_memory(controllers)) {
      return line.substr(second + 1);
    }
  }
  return std::nullopt;
}

std::uint64_t limit_in(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::uint64_t limit = 0;
  return stream >> limit ? limit : no_limit;  // version 2 says "max" for none
}

// The least limit from the group up to the one that is mounted.
std::uint64_t least_limit(const Hierarchy& hierarchy, const std::string& group,
                          const std::filesystem::path& root) {
  const std::filesystem::path mounted = root / hierarchy.mount_point.relative_path();
  std::uint64_t least = limit_in(mounted / hierarchy.limit_file());
  std::filesystem::path folder = mounted;
  // In a container the mounted group may be the process's own, or the path one that is not seen.
  for (const std::filesystem::path& part :
       std::filesystem::path(group).lexically_relative(hierarchy.root)) {
    if (part == "..") break;
    folder /= part;
    least = std::min(least, limit_in(folder / hierarchy.limit_file()));
  }
  return least;
}

}  // namespace

std::uint64_t control_group_limit(const std::filesystem::path& root) {
  std::uint64_t least = no_limit;
  std::ifstream mounts(root / "proc/self/mountinfo");
  std::string line;
  while (std::getline(mounts, line)) {
    const std::optional<Hierarchy> hierarchy = parse_mount(line);
    if (!hierarchy) continue;
    const auto group = group_in(*hierarchy, root / "proc/self/cgroup");
    if (group) least = std::min(least, least_limit(*hierarchy, *group, root));
  }
  return least;
}

std::uint64_t machine_memory() {
  const auto pages = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES));
  const auto page_bytes = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  return std::min(pages * page_bytes, control_group_limit());
}

std::uint64_t available_memory(const std::filesystem::path& root) {
  std::ifstream words(root / "proc/meminfo");
  std::string word;
  while (words >> word && word != "MemAvailable:") continue;
  std::uint64_t kib = 0;
  words >> kib;
  return std::min(kib * 1024, machine_memory());
}

void check_memory(const std::string& what, double bytes, const std::string& advice) {
  constexpr double gib = 1024.0 * 1024.0 * 1024.0;
  const auto available = static_cast<double>(machine_memory());
  if (bytes <= available) return;
  throw Error(ErrorKind::device,
              "{} needs {:.1f} GiB of memory, and this machine has {:.1f} GiB; {}.", what,
              bytes / gib, available / gib, advice);
}

}  // namespace graft
