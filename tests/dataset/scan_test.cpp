// Which classes and files a folder holds, and in which order.

#include "engine/dataset/scan.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "engine/base/error.h"
#include "engine/dataset/dataset.h"
#include "tests/support/files.h"
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

void expect_data_error(const std::function<void()>& call, const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "no error; expected one with: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data);
    EXPECT_THAT(error.what(), HasSubstr(part));
  }
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
  EXPECT_THAT(scan_images(folder.path(), "c"),
              ElementsAre("c/Cat.3.jpg", "c/cat.10.jpg", "c/cat.2.jpg"));
}

TEST(Scan, FoldersAreSortedByTheirWholePathThenFiles) {
  const TemporaryFolder folder;
  for (const char* name : {"a/b/1.png", "a-b/2.png", "a/3.png", "z.png", "b/4.png"}) {
    write_bytes(folder / "c" / name, "x");
  }
  // '-' sorts before '/', so "a-b" is between "a" and "a/b".
  EXPECT_THAT(scan_images(folder.path(), "c"),
              ElementsAre("c/z.png", "c/a/3.png", "c/a-b/2.png", "c/a/b/1.png", "c/b/4.png"));
}

TEST(Scan, ExtensionsCountInAnyCase) {
  const TemporaryFolder folder;
  for (const char* name : {"a.PNG", "b.Jpg", "c.jpeg", "d.bmp", "e.ppm", "f.tif", "g.TIFF", "h.gif",
                           "i.txt", "j", "k.png.txt", "l.webp"}) {
    write_bytes(folder / "c" / name, "x");
  }
  EXPECT_THAT(
      scan_images(folder.path(), "c"),
      ElementsAre("c/a.PNG", "c/b.Jpg", "c/c.jpeg", "c/d.bmp", "c/e.ppm", "c/f.tif", "c/g.TIFF"));
}

TEST(Scan, NamesWithSpacesQuotesAndUtf8AreFine) {
  const TemporaryFolder folder;
  write_bytes(folder / "my cats" / "the \"old\" one.png", "x");
  write_bytes(folder / "my cats" / "\xE7\x8C\xAB.png", "x");
  EXPECT_THAT(scan_images(folder.path(), "my cats"),
              ElementsAre("my cats/the \"old\" one.png", "my cats/\xE7\x8C\xAB.png"));
}

TEST(Scan, LinksToFilesCountLinksToFoldersInsideAClassDoNot) {
  const TemporaryFolder folder;
  write_bytes(folder / "elsewhere" / "deep.png", "x");
  write_bytes(folder / "root" / "c" / "real.png", "x");
  fs::create_symlink(folder / "elsewhere" / "deep.png", folder / "root" / "c" / "link.png");
  fs::create_directory_symlink(folder / "elsewhere", folder / "root" / "c" / "folder");
  fs::create_directory_symlink(folder / "root" / "c", folder / "root" / "c" / "loop");
  EXPECT_THAT(scan_images(folder / "root", "c"), ElementsAre("c/link.png", "c/real.png"));
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
  EXPECT_THAT(scan_images(folder.path(), "c"), ElementsAre("c/x.png/y.png"));
}

TEST(Scan, ListsImagesBelowAFolderOfAnyShape) {
  const TemporaryFolder folder;
  write_bytes(folder / "1.png", "x");
  write_bytes(folder / "sub" / "2.jpg", "x");
  EXPECT_THAT(list_images(folder.path()), ElementsAre("1.png", "sub/2.jpg"));
  expect_data_error([&] { list_images(folder / "none"); }, "there is no folder");
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
    expect_data_error([&] { scan_classes(folder.path()); },
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

TEST(CheckSameClasses, NamesTheDifferenceOnBothSides) {
  const ScannedFolder train{"train", {{"cats", {}}, {"dogs", {}}}};
  const ScannedFolder validation{"val", {{"cats", {}}, {"dog", {}}}};
  expect_data_error([&] { check_same_classes(train, validation); },
                    "'dogs' is missing in validation (val), and 'dog' is missing in train (train)");
  EXPECT_EQ(error_of([&] { check_same_classes(train, train); }), "");
}

}  // namespace
}  // namespace graft
