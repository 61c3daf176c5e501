#include "tools/graft/path_reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <climits>
#include <thread>

#include "engine/base/error.h"

namespace graft::program {
namespace {

using Paths = std::vector<std::string>;
using ::testing::IsEmpty;

class Input {
 public:
  Input() { EXPECT_EQ(pipe2(ends_.data(), O_CLOEXEC), 0); }
  ~Input() {
    close(ends_[0]);
    end();
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  int descriptor() const { return ends_[0]; }
  void write(std::string_view text) const {
    EXPECT_EQ(::write(ends_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void end() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

Paths all_paths(std::string_view text, bool null_separated) {
  Input input;
  input.write(text);
  input.end();
  PathReader reader(null_separated, input.descriptor());
  Paths paths = reader.next(100);
  EXPECT_THAT(reader.next(100), IsEmpty()) << "the input has ended";
  return paths;
}

TEST(PathReader, SplitsLines) {
  EXPECT_EQ(all_paths("", false), Paths{});
  EXPECT_EQ(all_paths("a.png\nb c.png\n", false), (Paths{"a.png", "b c.png"}));
  EXPECT_EQ(all_paths("a\nb", false), (Paths{"a", "b"})) << "the last line needs no end";
  EXPECT_EQ(all_paths("a\n\n\nb\n\n", false), (Paths{"a", "", "", "b", ""}));
  EXPECT_EQ(all_paths("\xEF\xBB\xBF"
                      "a\r\nb\r\nc\rd\r",
                      false),
            (Paths{"a", "b", "c\rd"}));
  EXPECT_EQ(all_paths("a\n\xEF\xBB\xBF"
                      "b\n",
                      false),
            (Paths{"a",
                   "\xEF\xBB\xBF"
                   "b"}));
  EXPECT_EQ(all_paths(std::string(PATH_MAX - 1, 'x'), false),
            Paths{std::string(PATH_MAX - 1, 'x')});
}

TEST(PathReader, TakesEveryByteBetweenNuls) {
  using namespace std::string_literals;
  EXPECT_EQ(all_paths("a\nb\0c\r\0\0\xEF\xBB\xBF\0d"s, true),
            (Paths{"a\nb", "c\r", "", "\xEF\xBB\xBF", "d"}));
}

TEST(PathReader, WaitsForOnePathAndTakesWhatIsThere) {
  const Input input;
  PathReader reader(false, input.descriptor());
  input.write("a\nb\nc\nd");
  EXPECT_EQ(reader.next(2), (Paths{"a", "b"}));
  EXPECT_EQ(reader.next(2), (Paths{"c"})) << "d has not ended";
  std::jthread writer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    input.write("e");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    input.write("\nf");
  });
  EXPECT_EQ(reader.next(2), (Paths{"de"}));
}

TEST(PathReader, RefusesWhatIsNoPathAfterThePathsBeforeIt) {
  const auto expect_refusal = [](std::string_view text, bool null_separated) {
    const Input input;
    input.write("a" + std::string(1, null_separated ? '\0' : '\n'));
    input.write(text);
    PathReader reader(null_separated, input.descriptor());
    EXPECT_EQ(reader.next(100), Paths{"a"});
    for (int i = 0; i < 2; ++i) {
      try {
        reader.next(100);
        FAIL();
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::usage);
        EXPECT_THAT(error.what(), ::testing::HasSubstr("of more than 4095 bytes or with a NUL"));
      }
    }
  };
  expect_refusal(std::string(PATH_MAX, 'x'), false);
  expect_refusal(std::string(60000, 'x') + '\n', false);
  expect_refusal(std::string(PATH_MAX, 'x'), true);
  expect_refusal(std::string("b\0c", 3), false);
}

TEST(PathReader, NamesTheReasonOfTheSystem) {
  const int folder = open("/", O_RDONLY | O_CLOEXEC);
  for (const int input : {folder, 1000000}) {
    PathReader reader(false, input);
    try {
      reader.next(1);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::io);
      EXPECT_THAT(error.what(), ::testing::StartsWith("standard input cannot be read: "));
    }
  }
  close(folder);
}

}  // namespace
}  // namespace graft::program
