#pragma once
// The one exception type of the project. Its message is a sentence for the user: what, where, why,
// and what to do. Its kind decides the exit code of the program.

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace graft {

// The values are the exit codes of the program `graft`.
enum class ErrorKind : int {
  usage = 2,         // a wrong config, argument or precondition
  data = 3,          // images, folders, labels
  weights = 4,       // a weights file
  device = 5,        // no such device, or it failed
  io = 6,            // a file could not be read or written; a full disk; a lock
  interrupted = 130  // SIGINT or SIGTERM; finished work is saved
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& sentence) : std::runtime_error(sentence), kind_(kind) {}
  // The sentence as fmt::format makes it.
  template <typename Value, typename... Values>
  Error(ErrorKind kind, fmt::format_string<Value, Values...> sentence, Value&& value,
        Values&&... values)
      : std::runtime_error(
            fmt::format(sentence, std::forward<Value>(value), std::forward<Values>(values)...)),
        kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

}  // namespace graft
