// Lists of images in CSV files: the syntax (RFC 4180), and what a list means.

#include "engine/dataset/csv.h"

#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/dataset/dataset.h"
#include "tests/support/files.h"
#include "tests/support/image_files.h"
#include "tests/support/recording_observer.h"
#include "tests/support/support.h"

namespace graft {
namespace {

namespace fs = std::filesystem;
using test::RecordingObserver;
using test::TemporaryFolder;
using test::write_bytes;
using test::write_png;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

using Records = std::vector<std::vector<std::string>>;

Records records_of(std::string_view text) {
  CsvReader reader(text, "list.csv");
  Records records;
  for (std::vector<std::string> cells; reader.next(cells);) records.push_back(cells);
  return records;
}

// What the call refuses with Error(data).
template <typename Call>
std::string refusal_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

std::string refusal_of_text(std::string_view text) {
  return refusal_of([&] { records_of(text); });
}

TEST(Csv, CellsAreSeparatedByCommasAndRecordsByLineEnds) {
  EXPECT_EQ(records_of("a,b\nc,d\n"), (Records{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(records_of("a,b\r\nc,d"), (Records{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(records_of(",\n,,x"), (Records{{"", ""}, {"", "", "x"}}));
  EXPECT_EQ(records_of(" a , b "), (Records{{" a ", " b "}})) << "spaces are part of a cell";
  EXPECT_EQ(records_of("a\rb,c"), (Records{{"a\rb", "c"}})) << "CR alone ends no line";
}

TEST(Csv, QuotesHoldCommasQuotesAndLineEnds) {
  EXPECT_EQ(records_of("\"a,b\",\"c\"\"d\"\n"), (Records{{"a,b", "c\"d"}}));
  EXPECT_EQ(records_of("\"a\nb\r\nc\",d\r\n\"\""), (Records{{"a\nb\r\nc", "d"}, {""}}));
  EXPECT_EQ(records_of("\"\"\"\""), (Records{{"\""}}));
}

TEST(Csv, AByteOrderMarkAndBlankLinesAreSkipped) {
  EXPECT_EQ(records_of("\xEF\xBB\xBF\n\r\na,b\n\nc,d\n\n"), (Records{{"a", "b"}, {"c", "d"}}));
  EXPECT_THAT(records_of(""), IsEmpty());
  EXPECT_THAT(records_of("\n\n"), IsEmpty());
}

TEST(Csv, MistakesNameTheirLine) {
  EXPECT_EQ(refusal_of_text("a\n\"b\nc\n"), "list.csv:2: a quote is opened and never closed");
  EXPECT_EQ(refusal_of_text("a\n\"b\nb\",\"c"), "list.csv:2: a quote is opened and never closed");
  EXPECT_THAT(refusal_of_text("a\n\"b\"c\n"), StartsWith("list.csv:2: a quote in the wrong place"));
  EXPECT_THAT(refusal_of_text("a\n5\" screw"),
              StartsWith("list.csv:2: a quote in the wrong place"));
  EXPECT_THAT(refusal_of_text("a\nb\ncaf\xE9,d"), StartsWith("list.csv:3: not UTF-8 text"));
  EXPECT_THAT(refusal_of_text(std::string_view("a\nb\0c", 5)), StartsWith("list.csv:2: not UTF-8"));
  EXPECT_THAT(refusal_of_text("\xFF\xFEp\0a\0"), StartsWith("list.csv:1: not UTF-8 text"));
  EXPECT_THAT(refusal_of_text("a\n" + std::string(1000, ',')),
              StartsWith("list.csv:2: more than 1000 cells"));
}

TEST(Csv, TheLineOfARecordIsWhereItBegins) {
  CsvReader reader("a\n\n\"b\nb\"\nc", "list.csv");
  std::vector<std::size_t> lines;
  for (std::vector<std::string> cells; reader.next(cells);) lines.push_back(reader.line());
  EXPECT_THAT(lines, ElementsAre(1U, 3U, 5U));
}

// Reference implementation: one character after the other. Empty optional: refused.
std::optional<Records> records_by_character(const std::string& text) {
  enum class At { cell_start, plain, quoted, closed } at = At::cell_start;
  Records records(1, {""});
  const auto end_line = [&] {
    if (records.back().size() == 1 && at == At::cell_start) {
      records.pop_back();  // a blank line
    }
    records.push_back({""});
    at = At::cell_start;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool is_crlf = c == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    std::string& cell = records.back().back();
    if (at == At::quoted) {
      if (c != '"') {
        cell += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        cell += c;
        ++i;
      } else {
        at = At::closed;
      }
    } else if (c == '\n' || is_crlf) {
      i += is_crlf ? 1 : 0;
      end_line();
    } else if (c == ',') {
      records.back().emplace_back();
      at = At::plain;  // a line with a comma is not blank
      if (i + 1 < text.size() && text[i + 1] == '"') at = At::cell_start;
    } else if (c == '"') {
      if (at != At::cell_start) return std::nullopt;
      at = At::quoted;
    } else {
      if (at == At::closed) return std::nullopt;
      cell += c;
      at = At::plain;
    }
  }
  if (at == At::quoted) return std::nullopt;
  if (records.back().size() == 1 && at == At::cell_start) records.pop_back();
  return records;
}

TEST(Csv, ReadsAnyTextAsTheReferenceImplementationDoes) {
  std::minstd_rand random(7);
  const std::string alphabet = "ab,,\"\"\n\n\r";
  std::size_t refused = 0;
  for (int round = 0; round < 200000; ++round) {
    std::string text(random() % 12, ' ');
    for (char& c : text) c = alphabet[random() % alphabet.size()];
    const auto expected = records_by_character(text);
    if (expected) {
      ASSERT_EQ(records_of(text), *expected) << ::testing::PrintToString(text);
    } else {
      ++refused;
      ASSERT_THAT(refusal_of_text(text), StartsWith("list.csv:")) << text;
    }
  }
  EXPECT_GT(refused, 1000U);
  EXPECT_LT(refused, 150000U);
}

TEST(Csv, WhatIsWrittenWithQuotesIsReadBackAndEveryTruncationIsHandled) {
  std::minstd_rand random(11);
  for (int round = 0; round < 300; ++round) {
    Records records(1 + random() % 4);
    std::string text;
    for (auto& cells : records) {
      cells.resize(2);
      for (std::string& cell : cells) {
        cell.resize(random() % 6);
        for (char& c : cell) c = static_cast<char>(1 + random() % 127);
        std::string doubled;
        for (const char c : cell) doubled += c == '"' ? "\"\"" : std::string(1, c);
        text += '"' + doubled + (&cell == &cells.front() ? "\"," : "\"\r\n");
      }
    }
    EXPECT_EQ(records_of(text), records);
    for (std::size_t size = 0; size < text.size(); ++size) {
      const std::string part = text.substr(0, size);
      const std::string problem = test::error_of([&] { records_of(part); });
      EXPECT_TRUE(problem.empty() || problem.starts_with("list.csv:")) << problem;
    }
  }
}

TEST(Csv, RandomBytesAreReadOrRefused) {
  std::minstd_rand random(13);
  for (int round = 0; round < 20000; ++round) {
    std::string text(random() % 200, ' ');
    for (char& c : text) c = static_cast<char>(random() % 256);
    try {
      records_of(text);
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::data);
    }
  }
}

// A folder with one list and, where a test reads images, a few of them.
class CsvLists : public ::testing::Test {
 protected:
  ScannedSets list_of(const std::string& text) {
    write_bytes(folder_ / "list.csv", text);
    return scan_csv(folder_ / "list.csv", true, observer_);
  }
  std::string problem_of(const std::string& text) {
    const std::string problem = refusal_of([&] { list_of(text); });
    const std::string path = (folder_ / "list.csv").string();
    EXPECT_EQ(problem.find('\n'), std::string::npos) << problem;
    EXPECT_THAT(problem, StartsWith(path));
    return problem.substr(std::min(path.size(), problem.size()));
  }

  TemporaryFolder folder_;
  RecordingObserver observer_;
};

TEST_F(CsvLists, GivesClassesByNameAndFilesByPathWhateverTheOrderOfLinesAndColumns) {
  const ScannedSets list = list_of("path,label\nz/2.png,dogs\n/far/1.jpg,Cats\nz/1.png,dogs\n");
  EXPECT_EQ(list.train.root, folder_.path());
  EXPECT_EQ(list.train.list, folder_ / "list.csv");
  ASSERT_EQ(list.train.classes.size(), 2U);
  EXPECT_EQ(list.train.classes[0].name, "Cats");
  EXPECT_THAT(list.train.classes[0].files, ElementsAre("/far/1.jpg"));
  EXPECT_THAT(list.train.classes[1].files, ElementsAre("z/1.png", "z/2.png"));
  EXPECT_THAT(list.train.classes[1].lines, ElementsAre(4U, 2U));
  EXPECT_FALSE(list.validation.has_value());
  const ScannedSets other =
      list_of("label,path\r\ndogs,z/1.png\r\ndogs,z/2.png\r\nCats,/far/1.jpg");
  EXPECT_EQ(other.train.classes[1].files, list.train.classes[1].files);
  EXPECT_THAT(observer_.notes, IsEmpty());
}

TEST_F(CsvLists, TheColumnSplitNamesTheValidationImages) {
  const ScannedSets list = list_of(
      "split,path,label\ntrain,1,a\nvalidation,2,a\ntrain,3,b\nvalidation,4,b\ntrain,5,b\n");
  ASSERT_TRUE(list.validation.has_value());
  EXPECT_THAT(list.train.classes[1].files, ElementsAre("3", "5"));
  EXPECT_THAT(list.validation->classes[1].files, ElementsAre("4"));
}

TEST_F(CsvLists, OtherColumnsAreIgnoredAloud) {
  list_of("path,age,label,label\n1,7,a,\n2,,b,x\n");
  EXPECT_THAT(observer_.notes, ElementsAre("the column \"age\" of the list is ignored",
                                           "the column \"label\" of the list is ignored"));
}

TEST_F(CsvLists, NamesWithCommasQuotesAndSpacesAreFine) {
  const ScannedSets list =
      list_of("path,label\n\"a, \"\"b\"\".png\",my cats\nc d.png,\"dogs, big\"\n");
  EXPECT_EQ(list.train.classes[0].name, "dogs, big");
  EXPECT_THAT(list.train.classes[1].files, ElementsAre("a, \"b\".png"));
}

TEST_F(CsvLists, APathMayBeListedOnce) {
  EXPECT_THAT(problem_of("path,label\na/1.png,x\nb.png,x\n\na/1.png,y\n"),
              HasSubstr(":5: a/1.png is in line 2 already"));
}

TEST_F(CsvLists, TheHeaderIsRequired) {
  const std::string expected =
      "expected a header with the columns path, label and optionally "
      "split, with commas between them, found ";
  for (const auto& [text, found] : std::vector<std::pair<std::string, std::string>>{
           {"", "\"\""},
           {"\n\n", "\"\""},
           {"a.png,cats\nb.png,dogs\n", "\"a.png,cats\""},
           {"path;label\na.png;cats\n", "\"path;label\""},
           {"path,Label\na.png,cats\n", "\"path,Label\""}}) {
    const std::string problem = problem_of(text);
    EXPECT_THAT(problem, HasSubstr(expected + found));
  }
}

TEST_F(CsvLists, MistakesInARowNameTheirLine) {
  EXPECT_EQ(problem_of("path,label\n1,a\n,b\n"), ":3: the path is empty");
  EXPECT_EQ(problem_of("path,label\n1,\"\"\n"), ":2: the label is empty");
  EXPECT_EQ(problem_of("path,label\n1,a\n\n2,b,c\n"), ":4: 3 cells where the header has 2");
  EXPECT_EQ(problem_of("path,label\n1\n"), ":2: 1 cell where the header has 2");
  for (const std::string split : {"test", "", "Train"})
    EXPECT_EQ(problem_of("path,label,split\n1,a,train\n2,a," + split + "\n"),
              ":3: split: expected \"train\" or \"validation\", found \"" + split + '"');
  EXPECT_EQ(problem_of("path,label\n1,a\n\"2,b\n3,b\n"), ":3: a quote is opened and never closed");
}

TEST_F(CsvLists, ImagesToTrainOnAreRequired) {
  EXPECT_EQ(problem_of("path,label\n"), ": no images are listed");
  EXPECT_EQ(problem_of("path,label,split\n1,a,validation\n"),
            ": no images are listed for training");
  EXPECT_FALSE(list_of("path,label,split\n1,a,train\n").validation.has_value());
}

TEST_F(CsvLists, AListThatIsMissingAFolderOrTooLargeIsRefusedUnread) {
  const auto problem_of_file = [&](const std::string& name) {
    return test::error_of([&] { scan_csv(folder_ / name, true, observer_); });
  };
  EXPECT_THAT(problem_of_file("none.csv"),
              StartsWith("there is no list " + folder_.path().string()));
  fs::create_directory(folder_ / "folder.csv");
  EXPECT_THAT(problem_of_file("folder.csv"), HasSubstr("not a regular file"));
  File(folder_ / "large.csv", File::Mode::create_or_truncate).truncate(std::uint64_t{1} << 40);
  EXPECT_THAT(problem_of_file("large.csv"), HasSubstr("large.csv has 1099511627776 bytes"));
}

TEST_F(CsvLists, AMillionLinesTakeSeconds) {
  constexpr std::size_t lines = 1000000;
  std::string text = "path,label,split\n";
  for (std::size_t i = 0; i < lines; ++i) {
    // In no order: 7 has no factor in common with a million.
    text += test::numbered("photos of the year/", i * 7 % lines, ".jpg,");
    text += i % 3 == 0 ? "cats," : "dogs,";
    text += i % 4 == 0 ? "validation\n" : "train\n";
  }
  const auto start = std::chrono::steady_clock::now();
  const ScannedSets list = list_of(text);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  RecordProperty("seconds", std::to_string(seconds.count()));
  EXPECT_LT(seconds.count(), 30.0) << "about 1 s in a Release build";
  EXPECT_EQ(list.validation->classes[0].files.size(), 83334U);
  EXPECT_EQ(list.train.classes[1].files.size(), 500000U);
  EXPECT_EQ(list.train.classes[0].files.front(), "photos of the year/100001.jpg");
  text += "photos of the year/12.jpg,cats,train\n";
  EXPECT_THAT(problem_of(text), HasSubstr(":1000002: photos of the year/12.jpg is in line "));
}

// Reading the images of a list.
class ListedDatasets : public ::testing::Test {
 protected:
  ListedDatasets() {
    for (unsigned i = 1; i <= 8; ++i) write_png(folder_ / test::numbered("", i, ".png"), i);
  }
  // A list of eight images, four of each class.
  static std::string list(const std::string& more = "") {
    return "path,label\n1.png,a\n2.png,b\n3.png,a\n4.png,b\n5.png,a\n6.png,b\n7.png,a\n8.png,b\n" +
           more;
  }
  Datasets read(const std::string& text, const std::string& validation = "") {
    write_bytes(folder_ / "t.csv", text);
    data_.train = folder_ / "t.csv";
    if (!validation.empty()) {
      write_bytes(folder_ / "v.csv", validation);
      data_.validation = folder_ / "v.csv";
    }
    return read_datasets(data_, 2, observer_, {});
  }
  static std::vector<std::string> files_of(const Dataset& dataset) {
    std::vector<std::string> files;
    for (const Sample& sample : dataset.samples) files.push_back(sample.file);
    return files;
  }

  TemporaryFolder folder_;
  DataConfig data_;
  RecordingObserver observer_;
};

TEST_F(ListedDatasets, AreSplitAsTheColumnSays) {
  const Datasets datasets = read(
      "path,label,split\n4.png,b,validation\n3.png,b,train\n1.png,a,train\n2.png,a,validation\n");
  EXPECT_THAT(files_of(datasets.train), ElementsAre("1.png", "3.png"));
  EXPECT_THAT(files_of(datasets.validation), ElementsAre("2.png", "4.png"));
  EXPECT_THAT(datasets.validation.classes, ElementsAre("a", "b"));
  EXPECT_EQ(datasets.validation.samples[1].label, 1U);
  EXPECT_EQ(datasets.validation.samples[1].content, digest_of(test::png_bytes(4)));
  EXPECT_EQ(datasets.train.root, folder_.path());
}

TEST_F(ListedDatasets, WithoutTheColumnAFifthOfTheImagesValidates) {
  const Datasets by_default = read(list());
  EXPECT_THAT(observer_.notes, ElementsAre("classes: a, b", "validation: 20 % of the images"));
  data_.validation_split = 0.2;
  const Datasets by_config = read(list());
  EXPECT_EQ(files_of(by_default.train), files_of(by_config.train));
  EXPECT_EQ(by_default.train.samples.size() + by_default.validation.samples.size(), 8U);
}

TEST_F(ListedDatasets, MayHaveAnAbsolutePathAndAnyExtension) {
  write_png(folder_ / "elsewhere" / "photo", 9);
  const std::string far = (folder_ / "elsewhere" / "photo").string();
  const Datasets datasets = read(list(far + ",a\n"), "path,label\n2.png,b\n1.png,a\n");
  EXPECT_EQ(datasets.train.samples[0].file, far);
  EXPECT_EQ(datasets.train.samples[0].content, digest_of(test::png_bytes(9)));
}

TEST_F(ListedDatasets, AListAndAFolderGoTogether) {
  write_png(folder_ / "v" / "a" / "x.png", 21);
  write_png(folder_ / "v" / "b" / "y.png", 22);
  data_.validation = folder_ / "v";
  const Datasets listed = read(list());
  EXPECT_THAT(files_of(listed.validation), ElementsAre("a/x.png", "b/y.png"));
  data_.train = folder_ / "v";
  data_.validation = folder_ / "t.csv";
  const Datasets swapped = read_datasets(data_, 2, observer_, {});
  EXPECT_EQ(files_of(swapped.validation), files_of(listed.train));
  fs::rename(folder_ / "v", folder_ / "v.csv");
  data_.train = folder_ / "v.csv";
  EXPECT_EQ(files_of(read_datasets(data_, 2, observer_, {}).train), files_of(swapped.train));
}

TEST_F(ListedDatasets, ALabelOfOneSetOnlyIsNamedWithItsLineBeforeAnyImageIsRead) {
  const std::string validation =
      refusal_of([&] { read(list(), "path,label\n1.png,a\n2.png,b\n3.png,cat\n4.png,cat\n"); });
  EXPECT_THAT(validation, HasSubstr("'cat' (" + (folder_ / "v.csv").string() +
                                    ":4) is missing in train (" + (folder_ / "t.csv").string()));
  data_.validation.clear();
  const std::string split = refusal_of(
      [&] { read("path,label,split\n1.png,a,train\n2.png,b,train\n3.png,a,validation\n"); });
  EXPECT_THAT(split,
              HasSubstr("'b' (" + (folder_ / "t.csv").string() + ":3) is missing in validation"));
  EXPECT_THAT(observer_.stages, IsEmpty());
}

TEST_F(ListedDatasets, OneClassOnlyIsRefused) {
  EXPECT_THAT(refusal_of([&] { read("path,label\n1.png,a\n2.png,a\n"); }),
              HasSubstr((folder_ / "t.csv").string() + " has one class only, 'a'"));
}

TEST_F(ListedDatasets, AMissingFileIsNamedWithItsLine) {
  for (const OnBadImage on_bad_image : {OnBadImage::stop, OnBadImage::skip}) {
    data_.on_bad_image = on_bad_image;
    try {
      read(list("none.png,a\n"));
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::io);
      EXPECT_THAT(error.what(),
                  HasSubstr((folder_ / "none.png").string() + ": there is no such file (" +
                            (folder_ / "t.csv").string() + ":10)"));
    }
  }
}

TEST_F(ListedDatasets, BadFilesAreSkippedWhereTheConfigSaysSo) {
  write_bytes(folder_ / "bad.png", "no image");
  data_.on_bad_image = OnBadImage::skip;
  const Datasets datasets = read(list("bad.png,a\n"));
  ASSERT_EQ(datasets.train.skipped.size(), 1U);
  EXPECT_EQ(datasets.train.skipped[0].file, "bad.png");
  EXPECT_THAT(datasets.train.skipped[0].reason, HasSubstr("t.csv:10)"));
  ASSERT_FALSE(observer_.warnings.empty());
  EXPECT_THAT(observer_.warnings[0], HasSubstr("1 of 9 files"));
}

TEST_F(ListedDatasets, ValidationImagesAreNamedInOnePlaceOnly) {
  const std::string split =
      "path,label,split\n1.png,a,train\n2.png,a,validation\n"
      "3.png,b,train\n4.png,b,validation\n";
  const auto refuses_as = [&](ErrorKind kind, const std::string& part) {
    try {
      read(split);
      ADD_FAILURE() << "nothing was refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind);
      EXPECT_THAT(error.what(), HasSubstr(part));
    }
  };
  data_.validation_split = 0.5;
  refuses_as(ErrorKind::usage, "its column split names the validation images");
  data_.validation_split = 0.0;
  data_.validation = folder_ / "t.csv";
  refuses_as(ErrorKind::usage, "its column split names the validation images");
  data_.validation.clear();
  const Datasets datasets = read(list(), split);
  EXPECT_EQ(datasets.validation.samples.size(), 4U);
  EXPECT_THAT(observer_.notes, Contains("the column \"split\" of the list is ignored"));
}

}  // namespace
}  // namespace graft
