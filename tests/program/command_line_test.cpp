// The program from outside: help, version, and one sentence and one exit code for each kind of
// mistake.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/base/file.h"
#include "tests/program/child.h"
#include "tests/program/recipe.h"
#include "tests/support/image_files.h"

namespace graft::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// One line on standard error, the exit code, nothing on standard output.
void expect_refusal(const std::vector<std::string>& arguments, int exit_code,
                    const std::string& part) {
  const Outcome outcome = graft_program(arguments);
  SCOPED_TRACE(::testing::PrintToString(arguments));
  EXPECT_EQ(outcome.exit_code, exit_code);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.error, HasSubstr(part));
  EXPECT_THAT(outcome.error, StartsWith("graft: "));
  EXPECT_EQ(lines_of(outcome.error).size(), 1U) << outcome.error;
}

std::string small_config(const TemporaryFolder& folder, const std::string& data,
                         const std::string& weights) {
  const std::filesystem::path path = folder / "small.json";
  write_file_whole(path, R"({"device": "cpu", "data": {"train": ")" + data +
                             R"(", "validation": ")" + data + R"("}, "backbone": {"weights": ")" +
                             weights + R"("}, "output": ")" + (folder / "out").string() + R"("})");
  return path.string();
}

TEST(Help, TeachesOutputsAndExitCodes) {
  const std::vector<std::vector<std::string>> ways = {{"--help"}, {"-h"}, {"help"}, {}};
  for (const auto& arguments : ways) {
    const Outcome outcome = graft_program(arguments);
    SCOPED_TRACE(::testing::PrintToString(arguments));
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_THAT(outcome.error, IsEmpty());
    for (const std::string part :
         {"Exit codes:", "130", "run", "extract", "train", "evaluate", "predict", "export", "plan",
          "weights", "config", "crossvalidate"})
      EXPECT_THAT(outcome.out, HasSubstr(part));
    EXPECT_THAT(outcome.out, ::testing::Not(HasSubstr("bench")));
  }
}

TEST(Help, OfEachCommandHasAnExample) {
  const std::vector<std::vector<std::string>> commands = {{"run"},
                                                          {"extract"},
                                                          {"train"},
                                                          {"evaluate"},
                                                          {"predict"},
                                                          {"plan"},
                                                          {"weights"},
                                                          {"weights", "import"},
                                                          {"weights", "show"},
                                                          {"config"},
                                                          {"config", "check"},
                                                          {"config", "explain"},
                                                          {"config", "schema"},
                                                          {"crossvalidate"},
                                                          {"export"}};
  for (std::vector<std::string> command : commands) {
    const std::string name = ::testing::PrintToString(command);
    std::vector<std::string> help = {"help"};
    help.insert(help.end(), command.begin(), command.end());
    command.emplace_back("--help");
    const Outcome outcome = graft_program(command);
    EXPECT_EQ(outcome.exit_code, 0) << name;
    EXPECT_THAT(outcome.out, HasSubstr("Example")) << name;
    EXPECT_THAT(outcome.out, HasSubstr("graft " + command.front())) << name;
    EXPECT_EQ(graft_program(help).out, outcome.out) << name;
  }
}

TEST(Version, SaysWhatIsBuiltAndInUse) {
  const Outcome outcome = graft_program({"--version"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, StartsWith("graft "));
  for (const std::string part : {"commit: ", "compiler: ", "CUDA parts: ", "vector unit in use: "})
    EXPECT_THAT(outcome.out, HasSubstr(part));
}

TEST(Usage, MistakesAreExitCode2) {
  expect_refusal({"rnu", "c.json"}, 2, "rnu: no such command; did you mean \"run\"?");
  expect_refusal({"quack"}, 2, "there are run, extract");
  expect_refusal({"bench"}, 2, "bench: no such command");
  expect_refusal({"--colour"}, 2, "graft --help");
  expect_refusal({"run"}, 2, "graft run --help");
  expect_refusal({"run", "c.json", "--colour"}, 2, "graft run --help");
  expect_refusal({"run", "a.json", "b.json"}, 2, "b.json");
  expect_refusal({"run", "c.json", "--set"}, 2, "--set");
  expect_refusal({"predict", "c.json"}, 2, "IMAGES");
  expect_refusal({"crossvalidate", "c.json", "--folds", "1"}, 2, "--folds");
  expect_refusal({"predict", "c.json", "a.png", "--format", "json"}, 2, "--format");
  expect_refusal({"predict", "c.json", "a.png", "--top", "0"}, 2, "--top");
  expect_refusal({"predict", "c.json", "a.png", "--top", "1", "--threshold", "0.5"}, 2, "--top");
  expect_refusal({"predict", "c.json", "-", "a.png"}, 2, "give - and no image");
  expect_refusal({"predict", "c.json", "-0", "a.png"}, 2, "give - and no image");
  expect_refusal({"predict", "c.json", "a.png", "--threshold", "half"}, 2, "--threshold");
  expect_refusal({"weights"}, 2, "graft weights --help");
  expect_refusal({"weights", "import", "a.h5"}, 2, "--output");
  expect_refusal({"config", "explain", "train.epoch"}, 2, "did you mean \"train.epochs\"?");
}

TEST(Usage, AWrongConfigIsExitCode2ForEveryCommand) {
  const TemporaryFolder folder;
  write_file_whole(folder / "wrong.json", "{\n\"trian\": {}}");
  const std::string wrong = (folder / "wrong.json").string();
  for (const std::string command : {"run", "extract", "train", "evaluate"})
    expect_refusal({command, wrong}, 2,
                   "wrong.json:2: trian: no such key; did you mean \"train\"?");
  expect_refusal({"predict", wrong, "a.png"}, 2, "wrong.json:2: trian");
  expect_refusal({"config", "check", wrong}, 2, "wrong.json:2: trian");
  expect_refusal({"run", (folder / "none.json").string()}, 2, "none.json");
  expect_refusal({"run", folder.path().string()}, 2, "has no config.json");
  std::filesystem::create_directories(folder / "photos/cats");
  const std::string photos = (folder / "photos").string();
  expect_refusal({"run", photos, "--set", "features.pooling=mean"}, 2,
                 "features.pooling: expected \"none\", \"average\"");
  expect_refusal({"run", photos, "--set", "features.layers=[\"fc1\"]"}, 2,
                 "features.layers: expected a list");
  expect_refusal({"run", photos, "--output", photos + "/runs"}, 2,
                 "this is in the folder of images");
}

TEST(Usage, OptionsOverrideAndAreNamedWhenTheyAreWrong) {
  const TemporaryFolder folder;
  const std::string config = small_config(folder, "/t", "/w");
  expect_refusal({"run", "--set", "train.epochs=0", config}, 2,
                 "--set train.epochs=0: train.epochs");
  expect_refusal({"run", config, "--device", "gpu"}, 2, "--device: device: expected \"cpu\"");
  expect_refusal({"run", config, "--threads", "many"}, 2,
                 "--threads: threads: expected an integer");
  const Outcome outcome = graft_program({"config", "check", config, "--set", "head.hidden=[7,6]",
                                         "--threads", "3", "--set", "seed=8", "--output", "o"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(outcome.out, HasSubstr("\"threads\": 3"));
  EXPECT_THAT(outcome.out, HasSubstr("\"seed\": 8"));
  EXPECT_THAT(outcome.out, HasSubstr((std::filesystem::current_path() / "o").string()));
}

TEST(ConfigCheck, PrintsTheConfigAndWarnsOfWhatIsNotThere) {
  const TemporaryFolder folder;
  const std::string config =
      small_config(folder, (folder / "none").string(), folder.path().string());
  const Outcome outcome = graft_program({"config", "check", config});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("\"learning_rate\": 0.001"));
  EXPECT_THAT(outcome.error, HasSubstr("warning: data.train: there is no"));
  EXPECT_THAT(outcome.error, ::testing::Not(HasSubstr("backbone.weights")));
  EXPECT_FALSE(std::filesystem::exists(folder / "out")) << "a check makes nothing";
}

TEST(ConfigExplain, SaysWhatAKeyMeans) {
  const Outcome outcome = graft_program({"config", "explain", "data.resize"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("data.resize\n    \"nearest\", \"bilinear\""));
}

TEST(Data, MistakesAreExitCode3) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "empty");
  const Outcome none =
      graft_program({"run", small_config(folder, (folder / "none").string(), "/w")});
  EXPECT_EQ(none.exit_code, 3);
  EXPECT_THAT(none.error, HasSubstr((folder / "none").string()));
  const Outcome empty =
      graft_program({"run", small_config(folder, (folder / "empty").string(), "/w")});
  EXPECT_EQ(empty.exit_code, 3);
  EXPECT_THAT(empty.error, HasSubstr((folder / "empty").string()));
}

TEST(Data, MistakesInAListAreNamed) {
  const TemporaryFolder folder;
  const std::string list = (folder / "list.csv").string();
  const std::string config = small_config(folder, list, "/w");
  const auto expect_problem = [&](const std::string& text, const std::string& part, int code = 3) {
    write_file_whole(list, text);
    const Outcome outcome = graft_program(
        {"run", config, "--set", "data.validation=", "--output", (folder / "o").string()});
    EXPECT_EQ(outcome.exit_code, code) << outcome.error;
    EXPECT_THAT(outcome.error, HasSubstr(part));
  };
  expect_problem("path,label\nnone.png,a\nnone 2.png,b\n",
                 "none.png: there is no such file (" + list + ":2)", 6);
  expect_problem("path,label,split\n1,a,train\n2,b,train\n3,c,validation\n",
                 "'c' (" + list + ":4) is missing in train");
  expect_problem("path,label\n1,a\n2,\n", "graft: " + list + ":3: the label is empty\n");
}

TEST(Weights, AMissingFileSaysHowToGetIt) {
  const TemporaryFolder folder;
  for (unsigned i = 0; i < 8; ++i)
    write_photo(folder / (i % 2 == 0 ? "photos/a" : "photos/b") / (std::to_string(i) + ".png"), i,
                100, 100, 100);
  ChildOptions options;
  options.folder = folder.path();
  options.environment["GRAFT_CACHE"] = (folder / "cache").string();
  const Outcome outcome = graft_program({"run", "photos", "--device", "cpu"}, options);
  EXPECT_EQ(outcome.exit_code, 6) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("there is no weights file " +
                                       (folder / "cache/vgg16_imagenet.safetensors").string() +
                                       "; tools/fetch_weights.sh downloads"));
}

TEST(Weights, InTheCacheAreRefusedWhenOthersCanWriteThem) {
  using std::filesystem::perms;
  const TemporaryFolder folder;
  const auto cache = folder / "cache", weights = cache / "vgg16_imagenet.safetensors";
  std::filesystem::create_directory(cache);
  write_file_whole(weights, "these are no weights");
  for (unsigned i = 0; i < 8; ++i)
    write_photo(folder / (i % 2 == 0 ? "photos/a" : "photos/b") / (std::to_string(i) + ".png"), i,
                100, 100, 100);
  ChildOptions options;
  options.folder = folder.path();
  options.environment["GRAFT_CACHE"] = cache.string();
  const auto run = [&] { return graft_program({"run", "photos", "--device", "cpu"}, options); };
  EXPECT_EQ(run().exit_code, 4) << "read, and found wrong";
  for (const auto& path : {weights, cache}) {
    std::filesystem::permissions(path, perms::group_write, std::filesystem::perm_options::add);
    const Outcome outcome = run();
    EXPECT_EQ(outcome.exit_code, 6);
    EXPECT_THAT(outcome.error, HasSubstr("other users can write"));
    std::filesystem::permissions(path, perms::group_write, std::filesystem::perm_options::remove);
  }
}

TEST(Weights, MistakesAreExitCode4) {
  const TemporaryFolder folder;
  for (const std::string name : {"bad.safetensors", "bad.h5", "bad.onnx", "bad.bin"}) {
    const std::string file = (folder / name).string();
    write_file_whole(file, "these are no weights");
    expect_refusal({"weights", "show", file}, 4, file);
    expect_refusal({"weights", "import", file, "-o", (folder / "out.safetensors").string()}, 4,
                   file);
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "out.safetensors"));
}

TEST(Weights, TheFileThatIsMadeMustSayWhatItIs) {
  const TemporaryFolder folder;
  expect_refusal({"weights", "import", "a.h5", "-o", (folder / "out.h5").string()}, 2,
                 ".safetensors");
}

TEST(Output, AFullDiskUnderTheResultIsExitCode6) {
  ChildOptions options;
  options.standard_output = "/dev/full";
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"config", "explain"}, {"--version"}, {"--help"}}) {
    const Outcome outcome = graft_program(arguments, options);
    EXPECT_EQ(outcome.exit_code, 6);
    EXPECT_THAT(outcome.error, HasSubstr("standard output"));
  }
}

TEST(Output, AReaderThatHasGoneIsNoError) {
  ChildOptions options;
  options.reader_has_gone = true;
  const Outcome outcome = graft_program({"config", "explain"}, options);
  EXPECT_THAT(outcome.error, IsEmpty());
}

}  // namespace
}  // namespace graft::test
