// "device" in a config, from the program to libgraft_cuda.so and back.

#include <gmock/gmock.h>

#include "engine/backend/backend.h"
#include "engine/base/error.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

bool has_gpu() {
  return !make_backend("auto", 1)->description().starts_with("CPU");
}

TEST(CudaModuleDevice, IsTheOneThatWasAskedFor) {
  if (!has_gpu()) GTEST_SKIP() << "no GPU on this machine";
  const std::string first = make_backend("cuda", 1)->description();
  EXPECT_THAT(first, HasSubstr("(cuda:0), sm_"));
  EXPECT_EQ(make_backend("cuda:0", 1)->description(), first);
  EXPECT_EQ(make_backend("auto", 1)->description(), first);
  EXPECT_THAT(make_backend("cpu", 1)->description(), StartsWith("CPU, "));
}

// Thrown there, caught here: the type is the same on both sides.
TEST(CudaModuleDevice, ItsErrorsAreTheProgramsErrors) {
  const std::string why = has_gpu() ? "there is no cuda:99; this machine has " : "";
  try {
    make_backend("cuda:99", 1);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_THAT(error.what(), StartsWith("\"device\": \"cuda:99\" cannot be used: " + why));
    EXPECT_THAT(error.what(), HasSubstr(". Choose \"cpu\" or \"auto\"."));
  }
}

}  // namespace
}  // namespace graft
