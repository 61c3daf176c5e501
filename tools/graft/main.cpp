// The program. Turns exceptions into one sentence and an exit code.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <new>
#include <system_error>

#include "engine/base/error.h"
#include "tools/graft/commands.h"
#include "tools/graft/standard_output.h"

namespace {

int fail(graft::ErrorKind kind, const char* sentence) {
  std::fprintf(stderr, "graft: %s\n", sentence);
  return static_cast<int>(kind);
}

}  // namespace

int main(int argument_count, char** arguments) {
  try {
    graft::program::run_program(argument_count, arguments);
    return EXIT_SUCCESS;
  } catch (const graft::program::ReaderGone&) {
    return EXIT_SUCCESS;
  } catch (const graft::Error& error) {
    return fail(error.kind(), error.what());
  } catch (const std::bad_alloc&) {
    return fail(graft::ErrorKind::device,
                "memory ran out; reduce backbone.batch_size, data.image_size or head.hidden");
  } catch (const std::system_error& error) {  // filesystem_error is one
    return fail(graft::ErrorKind::io, error.what());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "graft: a bug in this program, please report it: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
