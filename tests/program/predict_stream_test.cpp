// `graft predict RUN -`: paths from standard input.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "engine/base/file.h"
#include "tests/program/recipe.h"
#include "tests/support/image_files.h"

namespace graft::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// The writing end of a program's standard input: a pipe with a name, or a terminal.
class Writer {
 public:
  explicit Writer(const std::filesystem::path& fifo) : path_(fifo) {
    EXPECT_EQ(mkfifo(path_.c_str(), 0600), 0);
    descriptor_ = open(path_.c_str(), O_RDWR | O_CLOEXEC);  // does not wait for the reader
  }
  Writer() : descriptor_(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    EXPECT_EQ(grantpt(descriptor_), 0);
    EXPECT_EQ(unlockpt(descriptor_), 0);
    path_ = ptsname(descriptor_);
  }
  ~Writer() { end(); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& text) const {
    EXPECT_EQ(::write(descriptor_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void end() {
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = -1;
  }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

// A run with five classes, and photos to classify.
class PredictStream : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    recipe_ = std::make_unique<Recipe>();
    for (const char* set : {"train", "validation"})
      for (int value : {20, 70, 230})
        for (unsigned i = 0; i < 2; ++i)
          write_photo(
              recipe_->folder() / set / std::to_string(value) / (std::to_string(i) + ".png"), i,
              value, value, value);
    ASSERT_EQ(recipe_->run("run").exit_code, 0);
    std::filesystem::create_directories(photos());
    for (unsigned i = 0; i < 7; ++i)
      write_photo(photos() / (std::to_string(i) + ".png"), i, 30 * static_cast<int>(i), 110, 60);
    write_photo(photos() / "line\nbreak.png", 9, 160, 110, 60);
    write_file_whole(photos() / "broken.png", "no picture");
  }
  static void TearDownTestSuite() { recipe_.reset(); }

  static std::filesystem::path photos() { return recipe_->folder() / "new"; }
  std::filesystem::path path(const std::string& name) const { return folder_ / name; }

  static Child start(const std::filesystem::path& input, const std::vector<std::string>& more = {},
                     ChildOptions options = {}) {
    std::vector<std::string> words = {"predict", recipe_->output("run").string(), "-"};
    words.insert(words.end(), more.begin(), more.end());
    options.standard_input = input;
    options.folder = photos();
    return Child(words, options);
  }
  Outcome predict(const std::string& input, const std::vector<std::string>& more = {},
                  const ChildOptions& options = {}) const {
    write_file_whole(path("input"), input);
    return start(path("input"), more, options).wait();
  }

  static std::unique_ptr<Recipe> recipe_;
  TemporaryFolder folder_;
};
std::unique_ptr<Recipe> PredictStream::recipe_;

TEST_F(PredictStream, AnswersEachPathBeforeTheNextIsWritten) {
  Writer writer(path("fifo"));
  Child child = start(writer.path());
  const auto wait_for_lines = [&](std::size_t count) {
    return child.wait_until([&] { return lines_of(child.out_so_far()).size() >= count; });
  };
  ASSERT_TRUE(wait_for_lines(1)) << "the header is written when everything is loaded";
  std::string singly;
  for (const std::string name : {"0.png", "1.png", "broken.png", "2.png"}) {
    writer.write(name + "\n");
    const std::size_t before = lines_of(child.out_so_far()).size();
    ASSERT_TRUE(wait_for_lines(before + 1)) << name;
    EXPECT_THAT(lines_of(child.out_so_far()).back(), StartsWith(name + ","));
  }
  writer.end();
  const Outcome outcome = child.wait();
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.out, predict("0.png\n1.png\nbroken.png\n2.png").out)
      << "the answers do not depend on which paths came together";
}

TEST_F(PredictStream, GivesTheAnswersOfTheFolderInTheOrderOfThePaths) {
  std::vector<std::string> words = {"predict", recipe_->output("run").string(), "--json"};
  std::string input;
  for (const char* name : {"6", "0", "3", "1", "5", "2", "4", "0"}) {  // more than two batches
    words.push_back(std::string(name) + ".png");
    input += words.back() + "\r\n";
  }
  ChildOptions options;
  options.folder = photos();
  const Outcome listed = graft_program(words, options);
  ASSERT_EQ(listed.exit_code, 0) << listed.error;
  const Outcome streamed = predict(input, {"--json"});
  EXPECT_EQ(streamed.exit_code, 0) << streamed.error;
  EXPECT_EQ(streamed.out, listed.out);
  EXPECT_EQ(lines_of(streamed.out).size(), 8U);
  EXPECT_THAT(streamed.error, HasSubstr("8 images classified"));
}

TEST_F(PredictStream, APathHasOneAnswerWhateverItIs) {
  const Outcome outcome = predict("0.png\n.\n\nnone.png\nbroken.png\n1.png", {"--json"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.error, HasSubstr("graft: 4 of 6 images could not be read"));
  std::vector<std::string> paths, errors;
  for (const std::string& line : lines_of(outcome.out)) {
    const auto row = nlohmann::json::parse(line);
    paths.push_back(row.at("path"));
    errors.push_back(row.value("error", ""));
    EXPECT_EQ(row.contains("label"), errors.back().empty()) << line;
  }
  EXPECT_THAT(paths, ::testing::ElementsAre("0.png", ".", "", "none.png", "broken.png", "1.png"));
  EXPECT_THAT(errors, ::testing::ElementsAre(
                          "", "cannot read .: it is not a regular file", "the path is empty",
                          "cannot read none.png: there is no such file", HasSubstr("image"), ""));
}

// A batch has three rows, and a photo two.
TEST_F(PredictStream, ABadImageDoesNotShiftTheViewsOfOthers) {
  const std::vector<std::string> views = {"--json", "--set",
                                          R"(data.views=["original","rotate180"])"};
  const auto good = lines_of(predict("0.png\n1.png\n2.png\n3.png\n", views).out);
  ASSERT_EQ(good.size(), 4U);
  EXPECT_NE(good[3], lines_of(predict("3.png\n", {"--json"}).out).at(0)) << "one view";
  const auto all = lines_of(
      predict("none.png\n0.png\nbroken.png\nbroken.png\n1.png\n2.png\n.\n3.png\n", views).out);
  ASSERT_EQ(all.size(), 8U);
  EXPECT_EQ((std::vector{all[1], all[4], all[5], all[7]}), good);
  for (const std::size_t bad : {0, 2, 3, 6}) EXPECT_THAT(all[bad], HasSubstr("\"error\": "));
}

TEST_F(PredictStream, ANameMayHoldALineBreak) {
  const std::string input(
      "line\nbreak.png\0"
      "0.png\0",
      21);
  const Outcome outcome = predict(input, {"-0"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(outcome.out, HasSubstr("\n\"line\nbreak.png\","));
  EXPECT_THAT(outcome.out, HasSubstr("\n0.png,"));
  const Outcome without = predict(input);
  EXPECT_EQ(without.exit_code, 2);
  EXPECT_THAT(without.error, HasSubstr("-0 reads paths separated by NUL"));
}

TEST_F(PredictStream, TopListsTheMostProbableOfFiveClasses) {
  const auto all = nlohmann::json::parse(predict("3.png", {"--json"}).out);
  std::vector<std::pair<double, std::string>> ranked;
  for (const auto& [name, value] : all.at("probabilities").items())
    ranked.emplace_back(-value.get<double>(), name);
  std::sort(ranked.begin(), ranked.end());
  ASSERT_EQ(ranked.size(), 5U);
  const auto three = nlohmann::ordered_json::parse(predict("3.png", {"--json", "--top", "3"}).out);
  std::size_t rank = 0;
  for (const auto& [name, value] : three.at("probabilities").items()) {
    EXPECT_EQ(name, ranked.at(rank).second);
    EXPECT_EQ(value.get<double>(), -ranked.at(rank++).first);
  }
  EXPECT_EQ(rank, 3U);
  EXPECT_EQ(three.at("label"), ranked[0].second);
  const Outcome csv = predict("3.png", {"--top", "5"});
  EXPECT_THAT(csv.out, StartsWith("path,label,probability,label_2,probability_2,"));
  EXPECT_THAT(csv.out, HasSubstr("\n3.png," + ranked[0].second + ","));
}

TEST_F(PredictStream, NoPathsAreNoPredictions) {
  const Outcome outcome = predict("");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(lines_of(outcome.out).size(), 1U);
  EXPECT_THAT(outcome.error, HasSubstr("0 images classified"));
}

TEST_F(PredictStream, ASignalEndsItsWaitAtOnce) {
  Writer writer(path("fifo"));
  Child child = start(writer.path(), {"--json"});
  writer.write("0.png\n1.pn");
  ASSERT_TRUE(child.wait_until([&] { return !child.out_so_far().empty(); }));
  child.signal(SIGINT);
  const Outcome outcome = child.wait();
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_EQ(lines_of(outcome.out).size(), 1U) << outcome.out;
}

TEST_F(PredictStream, AReaderThatHasGoneEndsItQuietly) {
  Writer writer(path("fifo"));
  ChildOptions options;
  options.reader_has_gone = true;
  Child child = start(writer.path(), {"--quiet", "--json"}, options);
  writer.write("0.png\n");
  const Outcome outcome = child.wait();  // though more paths may come
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.error, "");
}

TEST_F(PredictStream, ATerminalIsReadLineByLine) {
  const Writer terminal;
  Child child = start(terminal.path(), {"--json"});
  terminal.write("0.png\n");
  ASSERT_TRUE(child.wait_until([&] { return !child.out_so_far().empty(); }));
  terminal.write("\x04");  // Ctrl-D
  EXPECT_EQ(child.wait().exit_code, 0);
}

}  // namespace
}  // namespace graft::test
