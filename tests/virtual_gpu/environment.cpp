#include "environment.h"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace vgpu {
namespace {

std::string text_of(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

std::uint64_t number_of(const char* name, std::uint64_t otherwise) {
  const std::string text = text_of(name, "");
  if (text.empty()) return otherwise;
  std::size_t used = 0;
  const std::uint64_t value = std::stoull(text, &used);
  if (used != text.size()) throw std::runtime_error(std::string(name) + "=" + text);
  return value;
}

Environment read() {
  Environment e;
  e.memory = bytes_from(text_of("VGPU_MEMORY", "24GiB"));
  std::string architecture = text_of("VGPU_ARCH", "sm_80");
  if (architecture.starts_with("sm_")) architecture = architecture.substr(3);
  e.architecture = std::stoi(architecture);
  e.driver = static_cast<int>(number_of("VGPU_DRIVER", 13000));
  e.devices = static_cast<int>(number_of("VGPU_DEVICES", 1));
  e.seed = number_of("VGPU_SEED", 0);
  e.threads = static_cast<int>(number_of("VGPU_THREADS", 2));
  e.fail = text_of("VGPU_FAIL", "");
  e.report = text_of("VGPU_REPORT", "");
  e.exit_code = static_cast<int>(number_of("VGPU_EXIT", 86));
  e.quiet = number_of("VGPU_QUIET", 0) != 0;
  e.max_instructions = number_of("VGPU_MAX_INSTRUCTIONS", e.max_instructions);
  return e;
}

}  // namespace

const Environment& environment() {
  static const auto* settings = [] {
    try {
      return new Environment(read());
    } catch (const std::exception& error) {
      std::fprintf(stderr, "vgpu: a VGPU_… setting is not understood: %s\n", error.what());
      std::exit(64);
    }
  }();
  return *settings;
}

std::uint64_t bytes_from(const std::string& text) {
  std::size_t used = 0;
  const std::uint64_t value = std::stoull(text, &used);
  const std::string unit = text.substr(used);
  if (unit.empty() || unit == "B") return value;
  if (unit == "KiB") return value << 10U;
  if (unit == "MiB") return value << 20U;
  if (unit == "GiB") return value << 30U;
  throw std::runtime_error("'" + text + "' is no size: give bytes or a number with KiB, MiB, GiB");
}

}  // namespace vgpu
