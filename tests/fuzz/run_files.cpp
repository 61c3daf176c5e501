// The main program of a target in builds without libFuzzer: runs it on every file of the folders that it
// is given. The first folder holds seeds, which exist and of which some are accepted. Others may be
// absent.

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

int run_folder(const std::filesystem::path& folder) {
  int files = 0;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(folder, absent)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    std::printf("%s\n", entry.path().c_str());
    std::fflush(stdout);  // the last line names the file that ended the process
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    ++files;
  }
  return files;
}

}  // namespace

int main(int count, char** folders) {
  for (int i = 1; i < count; ++i) {
    const int files = run_folder(folders[i]);
    std::printf("%d inputs in %s\n", files, folders[i]);
    if (i == 1 && graft::fuzz::accepted_inputs() == 0) {
      std::fprintf(stderr, "none of the seeds is accepted\n");
      return 1;
    }
  }
  return 0;
}
