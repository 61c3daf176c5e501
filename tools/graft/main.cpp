// The program: turns what is thrown into one sentence and an exit code.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>

#include "engine/base/error.h"
#include "tools/graft/command_line.h"
#include "tools/graft/standard_output.h"

namespace {

constexpr int program_fault = 1;

int fail(int code, const char* sentence) {
  std::fprintf(stderr, "graft: %s\n", sentence);
  return code;
}

int fail(graft::ErrorKind kind, const char* sentence) {
  return fail(static_cast<int>(kind), sentence);
}

int run_and_report(int argument_count, char** arguments) {
  try {
    return graft::program::run_program(argument_count, arguments);
  } catch (const graft::program::ReaderGone&) {
    return EXIT_SUCCESS;
  } catch (const graft::Error& error) {
    return fail(error.kind(), error.what());
  } catch (const std::bad_alloc&) {
    return fail(
        graft::ErrorKind::device,
        "memory ran out; a smaller backbone.batch_size, data.image_size or head.hidden needs less");
  } catch (const std::system_error& error) {  // filesystem_error is one
    return fail(graft::ErrorKind::io, error.what());
  } catch (const std::exception& error) {
    const std::string sentence =
        std::string("a fault of this program, please report it: ") + error.what();
    return fail(program_fault, sentence.c_str());
  }
}

}  // namespace

int main(int argument_count, char** arguments) {
  return run_and_report(argument_count, arguments);
}
