// Which classes and files a folder holds, and in which order.

#include "engine/dataset/scan.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "engine/base/error.h"
#include "engine/dataset/dataset.h"
#include "tests/support/files.h"
#include "tests/support/recording_observer.h"
#include "tests/support/support.h"

namespace graft {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::TemporaryFolder;
using test::write_bytes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> class_names(const ScannedFolder& folder) {
  std::vector<std::string> names;
  for (const ScannedClass& one : folder.classes) names.push_back(one.name);
  return names;
}

// The files of the only class.
std::vector<std::string> files_of(const fs::path& root) {
  const ScannedFolder scanned = scan_classes(root);
  EXPECT_EQ(scanned.classes.size(), 1U);
  return scanned.classes[0].files;
}

// What is not used, as "3 .gif (cats/1.gif)".
std::vector<std::string> unused_of(const ScannedFolder& folder) {
  std::vector<std::string> unused;
  for (const auto& [kind, entries] : folder.unused)
    unused.push_back(std::to_string(entries.count) + ' ' + kind + " (" + entries.example + ')');
  return unused;
}

void expect_error(ErrorKind kind, const std::function<void()>& call, const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "no error; expected one with: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind);
    EXPECT_THAT(error.what(), HasSubstr(part));
  }
}

void expect_data_error(const std::function<void()>& call, const std::string& part) {
  expect_error(ErrorKind::data, call, part);
}

TEST(Scan, ClassesAreSubFoldersSortedByCodePoint) {
  const TemporaryFolder folder;
  for (const char* name : {"dogs", "Zebras", "cats", "\xC3\xA9tamine", "a b"}) {
    write_bytes(folder.path() / name / "x.png", "x");
  }
  write_bytes(folder / "loose.png", "not in a class");
  EXPECT_THAT(class_names(scan_classes(folder.path())),
              ElementsAre("Zebras", "a b", "cats", "dogs", "\xC3\xA9tamine"));
}

TEST(Scan, FilesAreSortedByCodePointNotByNumber) {
  const TemporaryFolder folder;
  for (const char* name : {"cat.2.jpg", "cat.10.jpg", "Cat.3.jpg"})
    write_bytes(folder / "c" / name, "x");
  EXPECT_THAT(files_of(folder.path()), ElementsAre("c/Cat.3.jpg", "c/cat.10.jpg", "c/cat.2.jpg"));
}

TEST(Scan, FoldersAreSortedByTheirWholePathThenFiles) {
  const TemporaryFolder folder;
  for (const char* name : {"a/b/1.png", "a-b/2.png", "a/3.png", "z.png", "b/4.png"}) {
    write_bytes(folder / "c" / name, "x");
  }
  // '-' sorts before '/', so "a-b" is between "a" and "a/b".
  EXPECT_THAT(files_of(folder.path()),
              ElementsAre("c/z.png", "c/a/3.png", "c/a-b/2.png", "c/a/b/1.png", "c/b/4.png"));
}

TEST(Scan, TheExtensionsOfEveryDecoderCountInAnyCase) {
  const TemporaryFolder folder;
  for (const char* name : {"a.PNG", "b.Jpg", "c.jpeg", "d.bmp", "e.ppm", "f.tif", "g.TIFF", "h.JPE",
                           "i.jfif", "j.dib", "k.pgm", "l.pbm", "m.pnm", "n.webp", "o.GIF"})
    write_bytes(folder / "c" / name, "x");
  EXPECT_EQ(files_of(folder.path()).size(), 15U);
  EXPECT_THAT(unused_of(scan_classes(folder.path())), ElementsAre());
}

TEST(Scan, EverythingElseIsCountedByExtensionWithOneExample) {
  const TemporaryFolder folder;
  for (const char* name : {"1.jpg", "b.avif", "a.AVIF", "x.jp2", "deep/a.avif", "README", "dot.",
                           "photo.jpg_large", "k.png.txt"})
    write_bytes(folder / "c" / name, "x");
  write_bytes(folder / "loose.jpg", "x");
  write_bytes(folder / "classes.txt", "x");
  ASSERT_EQ(mkfifo((folder / "c" / "pipe").c_str(), 0600), 0);
  const ScannedFolder scanned = scan_classes(folder.path());
  EXPECT_THAT(scanned.classes[0].files, ElementsAre("c/1.jpg"));
  EXPECT_THAT(
      unused_of(scanned),
      ElementsAre("3 .avif (c/a.AVIF)", "1 .jp2 (c/x.jp2)",
                  "1 .jpg beside the class folders (loose.jpg)", "1 .jpg_large (c/photo.jpg_large)",
                  "1 .txt (c/k.png.txt)", "1 .txt beside the class folders (classes.txt)",
                  "3 without an extension (c/README)"));
}

TEST(Scan, HiddenAndSystemEntriesAreIgnoredAtEveryDepth) {
  const TemporaryFolder folder;
  write_bytes(folder / "c" / "1.jpg", "x");
  for (const char* above : {"", "c", "c/deep"}) {
    for (const char* name :
         {".ipynb_checkpoints/1-checkpoint.jpg", ".git/a.png", "._1.jpg", ".hidden.jpg",
          "@eaDir/1.jpg/SYNOPHOTO_THUMB.jpg", "__MACOSX/c/._1.jpg", "__MACOSX/1.jpg", "Thumbs.db",
          "thumbs.DB", "desktop.ini", "$RECYCLE.BIN/$R.jpg", "System Volume Information/1.jpg",
          "lost+found/1.jpg", "#recycle/1.jpg", "@Recycle/1.jpg"})
      write_bytes(folder / above / name, "x");
  }
  const ScannedFolder scanned = scan_classes(folder.path());
  EXPECT_THAT(class_names(scanned), ElementsAre("c"));
  EXPECT_THAT(scanned.classes[0].files, ElementsAre("c/1.jpg"));
  EXPECT_THAT(unused_of(scanned), ElementsAre());
}

TEST(Scan, AHiddenFolderThatIsNamedIsRead) {
  const TemporaryFolder folder;
  write_bytes(folder / ".data" / "c" / "1.jpg", "x");
  EXPECT_THAT(files_of(folder / ".data"), ElementsAre("c/1.jpg"));
}

TEST(Scan, TheWarningNamesTheTenMostFrequentKinds) {
  const TemporaryFolder folder;
  write_bytes(folder / "c" / "1.jpg", "x");
  for (int kind = 0; kind < 12; ++kind)
    for (int i = 0; i <= kind; ++i)
      write_bytes(folder / "c" / (std::to_string(i) + ".x" + std::to_string(kind)), "x");
  write_bytes(folder / "c" / "0.\x1B[2J", "x");
  test::RecordingObserver observer;
  warn_of_unused(scan_classes(folder.path()), observer);
  ASSERT_EQ(observer.warnings.size(), 1U);
  EXPECT_THAT(observer.warnings[0],
              ::testing::AllOf(HasSubstr("79 entries below " + folder.path().string() +
                                         " are not used; images are files named .png .jpg"),
                               HasSubstr(":\n  12 × .x11, such as c/0.x11\n  11 × .x10"),
                               HasSubstr("3 × .x2, such as c/0.x2\n  and 3 more"),
                               ::testing::Not(HasSubstr("\x1B"))));
}

TEST(Scan, NamesWithSpacesQuotesAndUtf8AreFine) {
  const TemporaryFolder folder;
  write_bytes(folder / "my cats" / "the \"old\" one.png", "x");
  write_bytes(folder / "my cats" / "\xE7\x8C\xAB.png", "x");
  EXPECT_THAT(files_of(folder.path()),
              ElementsAre("my cats/the \"old\" one.png", "my cats/\xE7\x8C\xAB.png"));
}

TEST(Scan, LinksToFilesCount) {
  const TemporaryFolder folder;
  write_bytes(folder / "elsewhere.png", "x");
  write_bytes(folder / "root" / "c" / "real.png", "x");
  fs::create_symlink(folder / "elsewhere.png", folder / "root" / "c" / "link.png");
  fs::create_symlink(folder / "nothing", folder / "root" / "c" / "broken.png");
  fs::create_symlink(folder / "nothing", folder / "root" / "c" / "broken");
  fs::create_symlink("itself.png", folder / "root" / "c" / "itself.png");
  const ScannedFolder scanned = scan_classes(folder / "root");
  EXPECT_THAT(scanned.classes[0].files,
              ElementsAre("c/broken.png", "c/itself.png", "c/link.png", "c/real.png"));
  EXPECT_THAT(unused_of(scanned), ElementsAre("1 without an extension (c/broken)"));
}

TEST(Scan, ALinkToAFolderIsFollowedOnce) {
  const TemporaryFolder folder;
  write_bytes(folder / "elsewhere" / "deep" / "1.png", "x");
  write_bytes(folder / "root" / "c" / "z.png", "x");
  fs::create_directory_symlink(folder / "elsewhere", folder / "root" / "c" / "a");
  fs::create_directory_symlink(folder / "elsewhere" / "deep", folder / "root" / "c" / "b");
  fs::create_directory_symlink(folder / "elsewhere", folder / "elsewhere" / "deep" / "loop");
  const ScannedFolder scanned = scan_classes(folder / "root");
  EXPECT_THAT(scanned.classes[0].files, ElementsAre("c/z.png", "c/a/deep/1.png"));
  EXPECT_THAT(unused_of(scanned),
              ElementsAre("2 link to a folder that is read already (c/a/deep/loop)"));
}

TEST(Scan, ALinkBackIntoTheSetIsNotFollowed) {
  const TemporaryFolder folder;
  write_bytes(folder / "root" / "loose.png", "x");
  write_bytes(folder / "root" / "c" / "1.png", "x");
  write_bytes(folder / "root" / "d" / "deep" / "2.png", "x");
  const fs::path c = folder / "root" / "c";
  fs::create_directory_symlink(folder / "root", c / "root");
  fs::create_directory_symlink("../d", c / "d");
  fs::create_directory_symlink("../d/deep", c / "deep");
  fs::create_directory_symlink(".", c / "self");
  fs::create_directory_symlink(folder.path(), c / "above");
  write_bytes(folder / "beside" / "3.png", "x");
  const ScannedFolder scanned = scan_classes(folder / "root");
  EXPECT_THAT(scanned.classes[0].files, ElementsAre("c/1.png"));
  EXPECT_THAT(scanned.classes[1].files, ElementsAre("d/deep/2.png"));
  EXPECT_THAT(unused_of(scanned), ElementsAre("1 .png beside the class folders (loose.png)",
                                              "5 link to a folder that is read already (c/above)"));
}

TEST(Scan, AClassFolderMayItselfBeALink) {
  const TemporaryFolder folder;
  write_bytes(folder / "elsewhere" / "deep.png", "x");
  write_bytes(folder / "root" / "b" / "real.png", "x");
  fs::create_directory_symlink(folder / "elsewhere", folder / "root" / "a");
  const ScannedFolder scanned = scan_classes(folder / "root");
  EXPECT_THAT(class_names(scanned), ElementsAre("a", "b"));
  EXPECT_THAT(scanned.classes[0].files, ElementsAre("a/deep.png"));
}

TEST(Scan, AFolderNamedLikeAnImageIsAFolder) {
  const TemporaryFolder folder;
  write_bytes(folder / "c" / "x.png" / "y.png", "x");
  EXPECT_THAT(files_of(folder.path()), ElementsAre("c/x.png/y.png"));
}

TEST(Scan, ListsImagesBelowAFolderOfAnyShape) {
  const TemporaryFolder folder;
  write_bytes(folder / "1.png", "x");
  write_bytes(folder / "sub" / "2.jpg", "x");
  write_bytes(folder / "sub" / "3.heic", "x");
  fs::create_directory_symlink(folder.path(), folder / "sub" / "loop");
  test::RecordingObserver observer;
  EXPECT_THAT(list_images(folder.path(), observer), ElementsAre("1.png", "sub/2.jpg"));
  EXPECT_THAT(observer.warnings,
              ElementsAre(::testing::AllOf(
                  HasSubstr("2 entries below"),
                  HasSubstr("1 × .heic, such as sub/3.heic; convert it: heif-convert"),
                  HasSubstr("read already, such as sub/loop"))));
  expect_data_error([&] { list_images(folder / "none", observer); }, "there is no folder");
  fs::create_directory(folder / "empty");
  expect_data_error([&] { list_images(folder / "empty", observer); }, "there is no image below");
}

TEST(Scan, MissingFolderIsNamed) {
  const TemporaryFolder folder;
  expect_data_error([&] { scan_classes(folder / "none"); },
                    "there is no folder " + (folder / "none").string());
}

TEST(Scan, AFileIsNoFolder) {
  const TemporaryFolder folder;
  write_bytes(folder / "file", "x");
  expect_data_error([&] { scan_classes(folder / "file"); }, "is not a folder");
}

TEST(Scan, UnreadableFolderIsNamedWithTheReason) {
  const TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms::all);
  write_bytes(folder / "locked" / "x.png", "x");
  fs::permissions(folder / "locked", fs::perms::none);
  {
    const test::WithoutPrivileges user;
    if (!user.bound()) GTEST_SKIP() << "permissions do not bind this user";
    expect_error(
        ErrorKind::io, [&] { scan_classes(folder.path()); },
        (folder / "locked").string() + " cannot be read: Permission denied");
  }
  fs::permissions(folder / "locked", fs::perms::all);
}

TEST(Scan, NoSubFoldersSaysWhatToDo) {
  const TemporaryFolder folder;
  write_bytes(folder / "1.png", "x");
  expect_data_error([&] { scan_classes(folder.path()); }, "has no sub-folders; put the images");
}

TEST(Scan, AClassNameThatIsNotUtf8IsRefusedAndShownEscaped) {
  const TemporaryFolder folder;
  write_bytes(folder / "caf\xE9" / "1.png", "x");
  expect_data_error([&] { scan_classes(folder.path()); }, "caf\\xe9 is not UTF-8");
}

TEST(CheckClasses, OneClassOnly) {
  expect_data_error(
      [] {
        check_classes({"data", {{"cats", {"cats/1.png"}}}});
      },
      "has one class only, 'cats'");
}

TEST(CheckClasses, NoImagesAtAll) {
  expect_data_error(
      [] {
        check_classes({"data", {{"cats", {}}, {"dogs", {}}}});
      },
      "there are no images below data");
}

TEST(CheckClasses, AnEmptyClassIsNamed) {
  expect_data_error(
      [] {
        check_classes({"data", {{"cats", {"cats/1.png"}}, {"dogs", {}}}});
      },
      "the class folder data/dogs holds no images");
}

TEST(CheckClasses, TwoFilledClassesPass) {
  EXPECT_EQ(error_of([] {
              check_classes({"data", {{"a", {"a/1.png"}}, {"b", {"b/1.png"}}}});
            }),
            "");
}

// The letter e with an accent, as one character and as two.
constexpr const char* one_character = "caf\xC3\xA9";
constexpr const char* two_characters = "cafe\xCC\x81";
// The same of a Korean name.
constexpr const char* korean = "\xEA\xB0\x9C";
constexpr const char* korean_in_parts = "\xE1\x84\x80\xE1\x85\xA2";

TEST(CheckClasses, NamesThatDifferInTheirUnicodeFormAloneAreRefused) {
  for (const auto& [a, b] : {std::pair(one_character, two_characters), {korean, korean_in_parts}})
    expect_data_error(
        [&] {
          check_classes({"data", {{a, {"1.png"}}, {b, {"2.png"}}}});
        },
        "(Unicode NFC and NFD); rename it to the same characters");
  EXPECT_EQ(error_of([] {
              check_classes({"data", {{two_characters, {"1.png"}}, {"cafe", {"2.png"}}}});
            }),
            "");
}

TEST(CheckClasses, TheFolderAboveTheSetsIsRefused) {
  const auto check = [](const std::string& a, const std::string& b, const std::string& below) {
    return error_of([&] { check_classes({"data", {{a, {a + below}}, {b, {b + below}}}}); });
  };
  for (const auto& [a, b] : {std::pair("train", "validation"), {"train", "val"}, {"test", "train"}})
    EXPECT_THAT(check(a, b, "/cats/1.png"), HasSubstr("hold sets, not classes; set data.train"));
  EXPECT_EQ(check("train", "validation", "/1.png"), "") << "classes without folders";
  EXPECT_EQ(check("train", "tram", "/old/1.png"), "");
}

TEST(CheckSameClasses, NamesThatLookTheSameAreExplained) {
  const ScannedFolder train{"train", {{one_character, {}}, {"dogs", {}}}};
  const ScannedFolder validation{"val", {{two_characters, {}}, {"dogs", {}}}};
  expect_data_error([&] { check_same_classes(train, validation); },
                    "val has a class 'cafe\xCC\x81' whose name looks like another's");
}

TEST(CheckSameClasses, NamesAreEscaped) {
  const ScannedFolder train{"train", {{"\x1B[2J", {}}}};
  expect_data_error([&] { check_same_classes(train, {"val", {{"b", {}}}}); }, "'\\x1b[2J'");
}

TEST(CheckSameClasses, NamesTheDifferenceOnBothSides) {
  const ScannedFolder train{"train", {{"cats", {}}, {"dogs", {}}}};
  const ScannedFolder validation{"val", {{"cats", {}}, {"dog", {}}}};
  expect_data_error([&] { check_same_classes(train, validation); },
                    "'dogs' is missing in validation (val), and 'dog' is missing in train (train)");
  EXPECT_EQ(error_of([&] { check_same_classes(train, train); }), "");
}

}  // namespace
}  // namespace graft
