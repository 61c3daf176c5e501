// From files of features to a trained head, on the CPU backend.

#include <cmath>
#include <functional>

#include "engine/base/error.h"
#include "engine/features/features.h"
#include "engine/features/npy.h"
#include "engine/features/set_files.h"
#include "engine/head/trainer.h"
#include "tests/features/file_lists.h"
#include "tests/support/support.h"
#include "training_support.h"

namespace graft::test {
namespace {

constexpr std::size_t all_in_memory = std::size_t{1} << 30U;

Config cpu_config() {
  Config config = small_config();
  config.head.hidden = {48, 20};
  config.train.epochs = 3;
  config.train.batch_size = 16;
  config.train.optimizer.learning_rate = 1e-3;
  return config;
}

// Writes NAME.npy, .labels.npy and .files.json as an extraction does.
void write_set(const std::filesystem::path& folder, const std::string& name, const SmallSet& set) {
  const FeatureShape shape = set.shape;
  FileList list;
  list.key = feature_key({}, {}, "tests", shape);
  list.shape = shape;
  list.classes = set.classes;
  for (std::size_t row = 0; row < set.labels.size(); ++row) {
    const std::span values(set.values.data() + row * shape.count(), shape.count());
    list.rows.push_back({set.files[row], set.labels[row], digest_of(set.files[row]),
                         digest_of(std::as_bytes(values))});
  }
  write_npy(folder / (name + ".npy"), set.values,
            std::vector{set.labels.size(), shape.height, shape.width, shape.channels});
  write_npy(folder / (name + ".labels.npy"), set.labels);
  write_file_whole(folder / (name + ".files.json"), test::file_list_json(list));
}

class CpuTraining : public ::testing::TestWithParam<std::size_t> {  // the number of classes
 protected:
  CpuTraining() {
    write_set(features_.path(), "train", train_);
    write_set(features_.path(), "validation", validation_);
  }

  History train(std::size_t threads, const std::filesystem::path& output,
                const std::function<void(std::size_t, std::stop_source&)>& on_advance = {},
                std::size_t budget = all_in_memory) {
    const auto backend = make_backend("cpu", threads);
    RecordingObserver observer;
    std::stop_source stop;
    if (on_advance) observer.on_advance = [&](std::size_t done) { on_advance(done, stop); };
    const FeatureSet training = FeatureSet::open(features_.path(), "train", budget);
    const FeatureSet validation = FeatureSet::open(features_.path(), "validation", budget);
    return train_head({*backend, observer, nullptr, stop.get_token()}, labelled(training),
                      labelled(validation), cpu_config(), {output});
  }

  std::map<std::string, std::string> files_of(std::size_t threads, std::size_t budget) {
    const TemporaryFolder output;
    train(threads, output.path(), {}, budget);
    return files_in(output.path());
  }

  const SmallSet train_{150, GetParam(), 21, {3, 3, 57}};
  const SmallSet validation_{70, GetParam(), 22, {3, 3, 57}};
  const TemporaryFolder features_;
};

TEST_P(CpuTraining, FollowsTheReferenceInDouble) {
  const TemporaryFolder output;
  const TemporaryFolder reference_output;
  const History history = train(2, output.path());
  SmallRun reference;
  reference.config = cpu_config();
  reference.train = train_;
  reference.validation = validation_;
  const History expected = reference.into(reference_output.path());
  ASSERT_EQ(history.size(), expected.size());
  for (std::size_t epoch = 0; epoch < history.size(); ++epoch) {
    EXPECT_NEAR(history[epoch].loss, expected[epoch].loss, 1e-4 * expected[epoch].loss);
    EXPECT_NEAR(history[epoch].val_loss, expected[epoch].val_loss, 1e-4 * expected[epoch].val_loss);
    EXPECT_NEAR(history[epoch].accuracy, expected[epoch].accuracy, 1.01 / 150);
    EXPECT_NEAR(history[epoch].val_accuracy, expected[epoch].val_accuracy, 1.01 / 70);
  }
  const TrainedHead head = load_head(output / "head.safetensors");
  const TrainedHead reference_head = load_head(reference_output / "head.safetensors");
  for (std::size_t layer = 0; layer < head.parameters.size(); ++layer) {
    EXPECT_TRUE(
        nearly_equal(head.parameters[layer].kernel, reference_head.parameters[layer].kernel, 1e-3));
  }
}

TEST_P(CpuTraining, GivesTheSameBytesForAnyNumberOfThreadsHeldOrMapped) {
  const auto files = files_of(1, all_in_memory);
  EXPECT_EQ(files_of(2, all_in_memory), files);
  EXPECT_EQ(files_of(3, 0), files);
}

TEST_P(CpuTraining, ResumedOnAnotherNumberOfThreadsEndsWithTheSameBytes) {
  const auto expected = files_of(1, all_in_memory);
  const TemporaryFolder output;
  EXPECT_THROW(train(2, output.path(),
                     [](std::size_t done, std::stop_source& stop) {
                       if (done == 14) stop.request_stop();
                     }),
               Error);
  EXPECT_TRUE(std::filesystem::exists(output / "checkpoint.safetensors"));
  train(1, output.path());
  EXPECT_EQ(files_in(output.path()), expected);
}

// The backend refuses the head before its first state is drawn, which would take 4 TiB.
TEST(CpuTrainingMemory, IsCheckedBeforeItIsTaken) {
  const TemporaryFolder output;
  Config config = cpu_config();
  config.head.hidden = {std::size_t{1} << 20U, std::size_t{1} << 20U};
  const SmallSet train = small_train();
  const SmallSet validation = small_validation();
  const auto backend = make_backend("cpu", 1);
  RecordingObserver observer;
  try {
    train_head({*backend, observer}, train.view(), validation.view(), config, {output.path()});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_NE(std::string(error.what()).find("head.hidden"), std::string::npos) << error.what();
  }
  EXPECT_TRUE(std::filesystem::is_empty(output.path()));
}

INSTANTIATE_TEST_SUITE_P(Classes, CpuTraining, ::testing::Values(2, 3));

}  // namespace
}  // namespace graft::test
