#include "engine/features/journal.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "engine/base/error.h"

namespace graft {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t largest_journal = std::uint64_t{1} << 30;
constexpr std::size_t digest_digits = 32;

std::string line_of(const std::string& json) {
  return fmt::format("{} {}\n", digest_of(json).hex(), json);
}

// The JSON of a line without its newline; nothing when the digest does not fit.
std::optional<std::string_view> checked_json(std::string_view line) {
  if (line.size() <= digest_digits || line[digest_digits] != ' ') return std::nullopt;
  const std::string_view json = line.substr(digest_digits + 1);
  if (digest_of(json).hex() != line.substr(0, digest_digits)) return std::nullopt;
  return json;
}

JournalEntry parse_entry(const Json& json) {
  JournalEntry entry;
  entry.content = Digest::from_hex(json.at(0).get_ref<const std::string&>());
  if (json.at(1).is_null()) {
    entry.bad_reason = json.at(2).get<std::string>();
  } else {
    entry.check = Digest::from_hex(json.at(1).get_ref<const std::string&>());
  }
  return entry;
}

void parse_start(const Json& json, JournalContents& contents) {
  contents.plan = Digest::from_hex(json.at("plan").get_ref<const std::string&>());
  for (const auto& [name, value] : json.at("key").items()) {
    contents.key.settings.emplace_back(name, value.get<std::string>());
  }
}

void parse_step(const Json& json, std::uint64_t end, JournalContents& contents) {
  if (json.contains("commit")) {
    contents.committed = true;
    return;
  }
  for (const Json& entry : json.at("done")) {
    contents.entries.push_back(parse_entry(entry));
    contents.entry_ends.push_back(end);
  }
}

}  // namespace

std::optional<JournalContents> read_journal(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  const std::string text = read_text_file(path, largest_journal);
  JournalContents contents;
  std::size_t begin = 0;
  try {
    while (begin < text.size()) {
      const std::size_t newline = text.find('\n', begin);
      if (newline == std::string::npos) break;
      const auto json = checked_json(std::string_view(text).substr(begin, newline - begin));
      if (!json) break;
      const std::size_t end = newline + 1;
      if (begin == 0) {
        parse_start(Json::parse(*json), contents);
        contents.start_end = end;
      } else {
        parse_step(Json::parse(*json), end, contents);
      }
      begin = end;
    }
  } catch (
      const Json::exception&) {  // a whole line of another program: what stands before it is good
  } catch (const Error&) {
  }
  if (contents.start_end == 0) return std::nullopt;
  return contents;
}

JournalWriter JournalWriter::create(const std::filesystem::path& path, const Digest& plan,
                                    const FeatureKey& key) {
  Json start;
  start["plan"] = plan.hex();
  start["key"] = Json::object();
  for (const auto& [name, value] : key.settings) start["key"][name] = value;
  write_file_whole(path, std::string_view(line_of(start.dump())));
  return JournalWriter(File(path, File::Mode::read_write));
}

JournalWriter JournalWriter::reopen(const std::filesystem::path& path, std::uint64_t bytes) {
  JournalWriter writer(File(path, File::Mode::read_write));
  writer.file_.truncate(bytes);
  return writer;
}

void JournalWriter::append(const std::vector<JournalEntry>& entries) {
  if (entries.empty()) return;
  Json done = Json::array();
  for (const JournalEntry& entry : entries) {
    if (entry.bad_reason) {
      done.push_back(Json::array({entry.content.hex(), nullptr, *entry.bad_reason}));
    } else {
      done.push_back(Json::array({entry.content.hex(), entry.check.hex()}));
    }
  }
  append_line(Json{{"done", std::move(done)}}.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void JournalWriter::commit() {
  append_line(R"({"commit": true})");
}

void JournalWriter::append_line(const std::string& json) {
  const std::string line = line_of(json);
  file_.append(as_bytes(line));
  file_.sync_data();
}

}  // namespace graft
