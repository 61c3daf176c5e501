// The program. Turns exceptions into one sentence and an exit code.

#include <cstdlib>

#include "tools/graft/commands.h"
#include "tools/graft/last_resort.h"

int main(int argument_count, char** arguments) {
  graft::program::install_last_resorts();
  try {
    graft::program::run_program(argument_count, arguments);
    return EXIT_SUCCESS;
  } catch (...) {
    return graft::program::report_exception();
  }
}
