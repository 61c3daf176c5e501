#include "report/environment.h"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace vgpu {
namespace {

std::string text_of(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

template <class T>
void read_number(const char* name, T& number) {
  const std::string text = text_of(name, "");
  if (text.empty()) return;
  std::size_t used = 0;
  number = static_cast<T>(std::stoull(text, &used));
  if (used != text.size()) throw std::runtime_error(std::string(name) + "=" + text);
}

// "24GiB" → bytes
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

Environment read() {
  Environment e;
  e.memory = bytes_from(text_of("VGPU_MEMORY", "24GiB"));
  std::string architecture = text_of("VGPU_ARCH", "sm_80");
  if (architecture.starts_with("sm_")) architecture = architecture.substr(3);
  e.architecture = std::stoi(architecture);
  read_number("VGPU_DRIVER", e.driver);
  read_number("VGPU_DEVICES", e.devices);
  read_number("VGPU_SEED", e.seed);
  read_number("VGPU_THREADS", e.threads);
  read_number("VGPU_EXIT", e.exit_code);
  read_number("VGPU_QUIET", e.quiet);
  read_number("VGPU_MAX_INSTRUCTIONS", e.max_instructions);
  read_number("VGPU_QUEUE", e.queue);
  e.serialise = text_of("VGPU_SERIALISE", "");
  e.fail = text_of("VGPU_FAIL", "");
  e.report = text_of("VGPU_REPORT", "");
  return e;
}

}  // namespace

const Environment& environment() {
  static const auto* settings = [] {
    try {
      return new Environment(read());
    } catch (const std::exception& error) {
      std::fprintf(stderr, "vgpu: invalid VGPU_… setting: %s\n", error.what());
      std::exit(64);
    }
  }();
  return *settings;
}

}  // namespace vgpu
