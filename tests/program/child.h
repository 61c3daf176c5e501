#pragma once
// The program graft as a child process.

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/support/support.h"

namespace graft::test {

struct Outcome {
  int exit_code = -1;  // 128 + signal when a signal ended it
  std::string out;
  std::string error;
};

struct ChildOptions {
  std::filesystem::path program = GRAFT_PROGRAM;
  std::filesystem::path folder;                    // where it starts; empty: where the test is
  std::map<std::string, std::string> environment;  // added to the test's
  std::filesystem::path standard_input;            // empty: the test's
  std::filesystem::path standard_output;           // empty: kept for Outcome::out
  bool reader_sleeps = false;                      // standard output is a full pipe
  bool reader_has_gone = false;                    // standard output is a closed pipe
};

// A running program. The destructor kills it if it still runs.
class Child {
 public:
  explicit Child(const std::vector<std::string>& arguments, const ChildOptions& options = {});
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  Child(Child&&) = delete;
  Child& operator=(Child&&) = delete;

  void signal(int number) const;
  // Polls every millisecond. False when the program ended first, or after a minute.
  bool wait_until(const std::function<bool()>& condition);
  std::string out_so_far() const;
  std::string error_so_far() const;
  // Fails the test, and kills the program, after four minutes.
  Outcome wait();

 private:
  bool ended();

  TemporaryFolder folder_;
  int sleeping_reader_ = -1;
  pid_t process_ = -1;
  int status_ = 0;
  bool ended_ = false;
};

// Runs it to its end.
Outcome graft_program(const std::vector<std::string>& arguments, const ChildOptions& options = {});

}  // namespace graft::test
