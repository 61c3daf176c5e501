#include "engine/head/checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <span>

#include "engine/base/digest.h"
#include "engine/base/error.h"
#include "engine/weights/safetensors.h"

namespace graft {
namespace {

constexpr const char* mean_squares_prefix = "mean_squares/";
constexpr const char* key_prefix = "key/";

std::string content_digest(const HeadState& state, const std::string& history) {
  Digester digester;
  for (const auto* layers : {&state.parameters, &state.mean_squares}) {
    for (const DenseParameters& dense : *layers) {
      digester.add(std::as_bytes(std::span(dense.kernel)));
      digester.add(std::as_bytes(std::span(dense.bias)));
    }
  }
  digester.add(history);
  return digester.digest().hex();
}

std::string entry(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() ? "unknown" : found->second;
}

std::string differences(const SafetensorsFile& file, const RunKey& key) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : key) {
    const std::string saved = entry(file, key_prefix + name);
    if (saved != value) parts.push_back(fmt::format("{} was {}, is {}", name, saved, value));
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  std::vector<TensorView> tensors;
  append_tensors(checkpoint.state.parameters, "", tensors);
  append_tensors(checkpoint.state.mean_squares, mean_squares_prefix, tensors);
  const std::string history = history_json(checkpoint.history);
  Metadata metadata = {{"history", history}, {"digest", content_digest(checkpoint.state, history)}};
  for (const auto& [name, value] : checkpoint.key) metadata[key_prefix + name] = value;
  write_safetensors(path, tensors, metadata);
}

std::optional<Checkpoint> load_checkpoint(const std::filesystem::path& path, const RunKey& key,
                                          const std::vector<DenseShape>& shapes,
                                          std::string& reason) {
  std::error_code unknown;  // then writing the checkpoint will meet the cause and name it
  if (!std::filesystem::exists(path, unknown)) return std::nullopt;
  try {
    const SafetensorsFile file(path);
    reason = differences(file, key);
    if (!reason.empty()) return std::nullopt;
    Checkpoint checkpoint{key,
                          {read_tensors(file, path, "", shapes),
                           read_tensors(file, path, mean_squares_prefix, shapes)},
                          parse_history_json(entry(file, "history"))};
    if (entry(file, "digest") != content_digest(checkpoint.state, entry(file, "history"))) {
      reason = "its digest does not fit its content";
      return std::nullopt;
    }
    return checkpoint;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::io) throw;
    reason = error.what();
    return std::nullopt;
  }
}

}  // namespace graft
