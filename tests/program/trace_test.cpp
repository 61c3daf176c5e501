// graft extract --trace and graft run --trace.

#include <gmock/gmock.h>

#include <filesystem>
#include <set>

#include "tests/program/recipe.h"
#include "tests/support/files.h"
#include "tests/support/image_files.h"
#include "tests/support/trace_events.h"

namespace graft::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

std::set<std::string> names_of(const std::vector<TracedSpan>& spans) {
  std::set<std::string> names;
  for (const TracedSpan& span : spans) names.insert(span.name);
  return names;
}

// Long enough that some photo must be decoded while the backbone works: 40 batches, three buffers.
TEST(TraceOption, PhotosAreDecodedWhileTheBackboneWorks) {
  const Recipe recipe;
  for (unsigned i = 0; i < 72; ++i) {
    write_photo(recipe.folder() / "train/grey" / numbered("more", i, ".png"), 500 + i, 90, 100, 80);
  }
  const auto file = recipe.folder() / "trace.json";
  const Outcome outcome = graft_program(recipe.arguments(
      "extract", "a", {"--trace", file.string(), "--set", "backbone.batch_size=2"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  auto spans = traced_spans(text_of(file));
  EXPECT_EQ(crossing_spans(spans), "");
  EXPECT_EQ(named(spans, "photo").size(), 80U + 4U);
  EXPECT_EQ(named(spans, "backbone").size(), 40U + 2U);
  // Numbers begin again with the second set.
  std::erase_if(spans, [&, end = named(spans, "backbone").at(39).end](const TracedSpan& span) {
    return span.begin >= end;
  });
  EXPECT_GT(photos_beside_the_backbone(spans, 2), 0U);
}

TEST(TraceOption, ChangesNoResultAndShowsTheWholeRun) {
  const Recipe recipe;
  const auto file = recipe.folder() / "trace.json";
  ASSERT_EQ(recipe.run("plain").exit_code, 0);
  const Outcome outcome = recipe.run("traced", {"--trace", file.string()});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_TRUE(same_results(recipe.output("traced"), recipe.output("plain")));
  EXPECT_THAT(names_of(traced_spans(text_of(file))),
              IsSupersetOf({"read the folders", "extract", "photo", "backbone", "block1_conv1",
                            "block5_conv3", "write", "train", "epoch", "step", "validate", "save",
                            "evaluate"}));
  EXPECT_EQ(fault_of_trace(text_of(file)), "");
  EXPECT_FALSE(traced_counts(text_of(file)).empty());
}

TEST(TraceOption, AFileThatCannotBeWrittenIsRefusedBeforeTheWork) {
  const Recipe recipe;
  const Outcome outcome =
      recipe.run("a", {"--trace", (recipe.folder() / "none" / "trace.json").string()});
  EXPECT_EQ(outcome.exit_code, 6);
  EXPECT_THAT(outcome.error, HasSubstr("none/trace.json"));
  EXPECT_FALSE(std::filesystem::exists(recipe.output("a")));
}

TEST(TraceOption, TheConfigIsNotTakenForTheTrace) {
  const Recipe recipe;
  const std::string config = text_of(recipe.config());
  const auto link = recipe.folder() / "link.json";
  std::filesystem::create_symlink(recipe.config(), link);
  for (const auto& file : {recipe.config(), link}) {
    const Outcome outcome = recipe.run("a", {"--trace", file.string()});
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.error, HasSubstr(file.string() + ": this is the config file"));
    EXPECT_EQ(text_of(recipe.config()), config);
    EXPECT_FALSE(std::filesystem::exists(recipe.output("a")));
  }
}

TEST(TraceOption, ARunThatFailsLeavesItsTrace) {
  const Recipe recipe;
  write_bytes(recipe.folder() / "train/grey/photo 2.png", png_with_damaged_pixels(1));
  const auto file = recipe.folder() / "trace.json";
  const Outcome outcome = recipe.run("a", {"--trace", file.string()});
  EXPECT_EQ(outcome.exit_code, 3) << outcome.error;
  EXPECT_THAT(names_of(traced_spans(text_of(file))), IsSupersetOf({"read the folders", "extract"}));
}

}  // namespace
}  // namespace graft::test
