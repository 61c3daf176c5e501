#pragma once
// A world without the machine's environment, and what a config that is wrong says.

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "engine/config/config_file.h"

namespace graft::test {

inline Environment environment_of(std::map<std::string, std::string> variables) {
  Environment environment;
  environment.working_folder = "/work folder";
  environment.variable =
      [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end() || found->second.empty()) return std::nullopt;
    return found->second;
  };
  return environment;
}

inline Environment plain_environment() {
  return environment_of({{"HOME", "/home/ada"}});
}

// The required keys, and `more` (members of the top object, each after a comma).
inline std::string minimal_config(const std::string& more = "") {
  return R"({"data": {"train": "/t", "validation": "/v"}, "backbone": {"weights": "/w"})" + more +
         "}";
}

inline Config parse(const std::string& text, const std::vector<std::string>& sets = {}) {
  std::vector<Setting> settings;
  settings.reserve(sets.size());
  for (const std::string& set : sets) settings.push_back(parse_setting(set));
  return parse_config(text, "c.json", settings, plain_environment());
}

// What the refusal says; fails the test when there is none, or when it is no Error(usage).
template <typename Action>
std::string refusal(Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos)
        << "one line: " << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return "";
}

inline std::string refusal_of(const std::string& text, const std::vector<std::string>& sets = {}) {
  return refusal([&] { parse(text, sets); });
}

}  // namespace graft::test
