#pragma once
// Ends of the program: one sentence on standard error and an exit code for each, also where no catch
// clause is reached.

namespace graft::program {

// From here on:
//   operator new          exit 5 where memory runs out. Nothing is thrown: destructors and compilers
//                         are not to be trusted then, and files are complete or absent at any moment
//   std::terminate        ends as report_exception()
//   SIGBUS                exit 6: a mapped file was cut short, or its disk failed
//   SIGXFSZ               is ignored: the write fails with EFBIG
//   SIGXCPU               exit 130, until Signals waits for it
void install_last_resorts();

// Prints the sentence of the exception that is being handled, and returns its exit code. Never throws.
int report_exception() noexcept;

}  // namespace graft::program
