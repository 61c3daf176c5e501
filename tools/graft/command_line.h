#pragma once
// The arguments of the program: which commands there are, their options and their help.

namespace graft::program {

// Reads the arguments, does what they ask and returns the exit code. Throws Error(usage) for wrong
// arguments, and what the command throws.
int run_program(int argument_count, char** arguments);

}  // namespace graft::program
