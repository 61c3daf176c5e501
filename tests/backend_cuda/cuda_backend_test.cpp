// Messages without a GPU, or with too little memory. The virtual GPU reads its settings when it is
// loaded: each message comes from a new process.

#include <gmock/gmock.h>

#include "engine/backend/cuda/runtime/resources.h"
#include "engine/base/error.h"
#include "tests/backend_cuda/backbone/cuda_backbone_test.h"

namespace graft {
namespace {

using test::small_images;
using test::some_weights;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Says what the call throws and ends with the program's exit code for it.
template <typename Call>
[[noreturn]] void say(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    std::fputs(error.what(), stderr);
    std::exit(static_cast<int>(error.kind()));
  }
  std::exit(0);
}

class CudaDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!test::on_virtual_gpu()) GTEST_SKIP() << "only the virtual GPU can be another machine";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    setenv("VGPU_ARCH", "sm_90", 0);  // how much workspace a batch needs depends on it
  }
  void TearDown() override {
    for (const char* name :
         {"VGPU_DEVICES", "VGPU_DRIVER", "VGPU_MEMORY", "VGPU_FAIL", "CUDA_VISIBLE_DEVICES"}) {
      unsetenv(name);
    }
  }
  template <typename Call>
  static void expect_refusal(const Call& call, const std::string& message) {
    EXPECT_EXIT(call(), ::testing::ExitedWithCode(static_cast<int>(ErrorKind::device)), message);
  }
};

void start(int ordinal) {
  say([&] { const cuda::CudaBackend backend(ordinal, 1); });
}

TEST_F(CudaDevice, NoDriver) {
  setenv("VGPU_DRIVER", "0", 1);
  expect_refusal(
      [] { start(0); },
      "^no NVIDIA driver is installed, or the container does not pass it on; CUDA 13\\.");
}

TEST_F(CudaDevice, AnOldDriver) {
  setenv("VGPU_DRIVER", "12040", 1);
  expect_refusal([] { start(0); },
                 "^the NVIDIA driver is too old: it serves CUDA 12\\.4, and this program was built "
                 "with CUDA 13\\..; update the driver$");
}

TEST_F(CudaDevice, NoGpu) {
  setenv("VGPU_DEVICES", "0", 1);
  expect_refusal([] { start(0); },
                 "^the NVIDIA driver shows no GPU; nvidia-smi lists what there is$");
  setenv("CUDA_VISIBLE_DEVICES", "", 1);
  expect_refusal([] { start(0); },
                 "^the NVIDIA driver shows no GPU, with CUDA_VISIBLE_DEVICES=\"\"; ");
}

TEST_F(CudaDevice, NoSuchOrdinal) {
  expect_refusal([] { start(7); }, "^there is no cuda:7; this machine has 1 GPU: cuda:0$");
  setenv("VGPU_DEVICES", "2", 1);
  expect_refusal([] { start(2); },
                 "^there is no cuda:2; this machine has 2 GPUs: cuda:0 to cuda:1$");
  EXPECT_EXIT(start(1), ::testing::ExitedWithCode(0), "^$");
}

TEST_F(CudaDevice, AnArchitectureThatWasNotCompiled) {
  for (const char* code : {"209", "98", "222"}) {
    setenv("VGPU_FAIL", (std::string("cudaFuncGetAttributes:1:") + code).c_str(), 1);
    expect_refusal(
        [] { start(0); },
        "^Virtual .* is sm_[0-9]+, and this program was compiled for sm_[0-9].* and newer; "
        "build it with -DGRAFT_CUDA_ARCHITECTURES=[0-9]+$");
  }
}

TEST_F(CudaDevice, WhatElseIsWrongIsNamedByItsCall) {
  setenv("VGPU_FAIL", "cudaGetDeviceCount:1:802", 1);
  expect_refusal([] { start(0); }, "^the start of cuda:0 failed: cudaGetDeviceCount.* \\(802\\)");
  setenv("VGPU_FAIL", "cudnnCreate:1:1001", 1);
  expect_refusal([] { start(0); }, "^the start of cuDNN failed: cudnnCreate.*");
}

TEST_F(CudaDevice, ASystemThatIsNotReadySaysWhatToDo) {
  const std::pair<const char*, const char*> cases[] = {
      {"cudaSetDevice:1:46",
       "Unavailable \\(46\\).*; another program has the GPU .* take another GPU$"},
      {"cudaGetDeviceCount:1:802", "NotReady \\(802\\).*start nvidia-fabricmanager\\)$"},
      {"cudaGetDeviceCount:1:803", "Mismatch \\(803\\).*; libcuda.* reboot .* of its machine$"},
      {"cudaGetDeviceCount:1:804",
       "OnDevice \\(804\\).*; libcuda.* cuda-compat.* update the driver"},
      {"cudaFuncGetAttributes:1:221",
       "NotFound \\(221\\).*; .*ptxjitcompiler.* install it, or build"},
      {"cudaFuncGetAttributes:1:223",
       "Disabled \\(223\\).*; .*CUDA_DISABLE_PTX_JIT.* unset it, or"}};
  for (const auto& [fault, message] : cases) {
    setenv("VGPU_FAIL", fault, 1);
    expect_refusal([] { start(0); }, std::string("^the start of cuda:0 failed: .*") + message);
  }
}

TEST_F(CudaDevice, SaysWhatItIs) {
  const cuda::CudaBackend backend(0, 3);
  EXPECT_THAT(backend.description(), AllOf(StartsWith("Virtual "), HasSubstr(" (cuda:0), sm_"),
                                           HasSubstr(", 24 GiB, driver for CUDA 13.0, cuDNN ")));
  EXPECT_EQ(backend.host_threads(), 3U);
  EXPECT_EQ(backend.batches_in_flight(), 3U);
}

// ---- Memory ----

void make_backbone(std::size_t batch_size, bool autotune = false) {
  say([&] {
    cuda::CudaBackend backend(0, 1);
    BackboneOptions options = small_images(batch_size);
    options.autotune = autotune;
    backend.make_backbone(some_weights(), options);
  });
}

TEST_F(CudaDevice, ABatchThatDoesNotFitSaysWhichWould) {
  setenv("VGPU_MEMORY", "96MiB", 1);
  expect_refusal(
      [] { make_backbone(512); },
      "^The backbone for images of 32×32 in batches of 512 needs 0\\.[0-9]+ GiB of the GPU's "
      "memory, and of the 0\\.09 GiB of cuda:0 0\\.09 GiB are free; choose "
      "backbone\\.batch_size [0-9]+\\.$");
  setenv("VGPU_MEMORY", "32MiB", 1);  // less than the weights take
  expect_refusal(
      [] { make_backbone(1); },
      "are free; not one image fits: choose a smaller data\\.image_size, or free the GPU's "
      "memory\\.$");
}

// Timing the plans takes memory before the backbone does.
TEST_F(CudaDevice, ABatchThatCannotBeTimedSaysWhichWouldFit) {
  setenv("VGPU_MEMORY", "96MiB", 1);
  expect_refusal([] { make_backbone(512, true); },
                 "^The backbone for images of 32×32 in batches of 512 needs 0\\.[0-9]+ GiB of the "
                 "GPU's memory, and of the 0\\.09 GiB of cuda:0 0\\.09 GiB are free; choose "
                 "backbone\\.batch_size [0-9]+\\.$");
}

TEST_F(CudaDevice, MemoryThatAnotherProgramTookInBetweenIsTheSameSentence) {
  setenv("VGPU_FAIL", "cudaMalloc:2:2", 1);
  expect_refusal(
      [] { make_backbone(1); },
      "^The backbone for images of 32×32 in batches of 1 needs .* are free; not one image "
      "fits: choose a smaller data\\.image_size, or free the GPU's memory\\.$");
}

// Takes the batch size that the refusal of a larger one names.
void run_advised_batch() {
  say([] {
    cuda::CudaBackend backend(0, 1);
    const std::string refusal =
        test::error_of([&] { backend.make_backbone(some_weights(), small_images(512)); });
    BackboneOptions options = small_images(0);
    std::sscanf(refusal.c_str() + refusal.rfind(' '), "%zu", &options.batch_size);
    const auto backbone = backend.make_backbone(some_weights(), options);
    const test::Batch batch(backend, options, options.batch_size, 1);
    test::compute(*backbone, batch);
    std::fprintf(stderr, "batch %zu", options.batch_size);
  });
}

TEST_F(CudaDevice, TheAdvisedBatchFitsAndRuns) {
  setenv("VGPU_MEMORY", "72MiB", 1);
  EXPECT_EXIT(run_advised_batch(), ::testing::ExitedWithCode(0), "^batch (4|8|16)$");
}

TEST_F(CudaDevice, AutoDoesNotDependOnTheFreeMemory) {
  const cuda::CudaBackend backend(0, 1);
  EXPECT_EQ(backend.automatic_precision(), Precision::tf32);
  const auto batches = [&] {
    std::vector<std::size_t> sizes;
    for (const std::uint32_t size : {150U, 224U, 1024U}) {
      for (const Precision precision : {Precision::fp32, Precision::fp16}) {
        BackboneOptions options;
        options.image_size = {size, size};
        options.precision = precision;
        sizes.push_back(backend.automatic_batch(options));
      }
    }
    return sizes;
  };
  EXPECT_THAT(batches(), ::testing::ElementsAre(256, 256, 128, 256, 8, 16));
  const cuda::DeviceBuffer of_another(std::size_t{20} << 30U);  // of 24 GiB
  EXPECT_THAT(batches(), ::testing::ElementsAre(256, 256, 128, 256, 8, 16));
}

TEST_F(CudaDevice, PinnedMemoryThatIsNotToBeHadIsADeviceError) {
  cuda::CudaBackend backend(0, 1);
  EXPECT_TRUE(backend.allocate_host(0).bytes().empty());
  GRAFT_VIRTUAL_GPU(vgpu_set_faults)("cudaHostAlloc:1:2");
  EXPECT_THAT(test::error_of([&] { backend.allocate_host(64); }),
              AllOf(StartsWith("The pinned memory for images and features failed: cudaHostAlloc"),
                    HasSubstr("out of memory")));
  GRAFT_VIRTUAL_GPU(vgpu_set_faults)("");
}

TEST(BackboneSpec, KnowsItsMemory) {
  BackboneOptions options;
  options.image_size = {150, 150};
  options.batch_size = 16;
  const BackboneMemory memory = cuda::BackboneSpec(options).memory;
  EXPECT_EQ(memory.activation_bytes, 16U * 150 * 150 * 64 * 4);
  EXPECT_EQ(memory.workspace_bytes, 0U);  // until plans are chosen
  EXPECT_EQ(memory.image_bytes,
            2U * 16 * 150 * 150 * 3 + 2U * 64);  // slots start at multiples of 256
  EXPECT_EQ(memory.feature_bytes, 2U * 16 * 4 * 4 * 512 * 4);
  // Filters with a fourth input channel, biases twice, three tables.
  EXPECT_EQ(memory.weight_bytes, (vgg16_parameters + std::size_t{9} * 64 + 4224 + 768) * 4);
  options.precision = Precision::fp16;
  EXPECT_EQ(cuda::BackboneSpec(options).memory.activation_bytes, 16U * 150 * 150 * 64 * 2);
}

TEST(BackboneSpec, HasTheLayersThatTheFeaturesNeedAndNoOthers) {
  BackboneOptions options;
  options.image_size = {150, 150};
  options.batch_size = 16;
  options.features = {{Layer::block1, Layer::block2}, Pooling::average_max};
  const cuda::BackboneSpec spec(options);
  EXPECT_EQ(spec.shapes.size(), 4U);
  EXPECT_EQ(spec.memory.activation_bytes, 16U * 150 * 150 * 64 * 4);
  EXPECT_EQ(spec.memory.feature_bytes, 2U * 16 * 2 * (64 + 128) * 4);
  // Filters of 4, 64, 64 and 128 input channels, biases twice, three tables.
  EXPECT_EQ(spec.memory.weight_bytes,
            (9U * (4 * 64 + 64 * 64 + 64 * 128 + 128 * 128) + 2 * (2 * 64 + 2 * 128) + 768) * 4);
  options.features = {{Layer::block2}, Pooling::none};
  EXPECT_EQ(cuda::BackboneSpec(options).memory.feature_bytes, 2U * 16 * 37 * 37 * 128 * 4);
  options.features = {{Layer::block2, Layer::block1}, Pooling::max};
  EXPECT_THAT(test::error_of([&] { cuda::BackboneSpec{options}; }),
              HasSubstr("several that ascend"));
}

}  // namespace
}  // namespace graft
