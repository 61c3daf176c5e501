// The table of GPUs: a wrong figure must not pass unseen.

#include "engine/forecast/gpu_registry.h"

#include <gmock/gmock.h>

#include <cmath>
#include <set>
#include <utility>

namespace graft {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::Le;

// FLOP of one multiprocessor a clock, from the architectures' whitepapers: a peak is this times
// multiprocessors times boost clock.
struct Rates {
  double fp32, tf32, fp16;
};
Rates rates_of(const Gpu& gpu) {
  const bool geforce =
      gpu.properties.name.starts_with("RTX ") && gpu.properties.name != "RTX A6000";
  switch (gpu.properties.compute_capability) {
    case 75:
      return {128, 0, 1024};
    case 80:
      return {128, 1024, 2048};
    case 86:
    case 89:
    case 120:  // GeForce cards sum half products in FP32 at half the rate
      return geforce ? Rates{256, 256, 512} : Rates{256, 512, 1024};
    case 90:
      return {256, 2048, 4096};
    default:
      return {256, 4096, 8192};
  }
}

// MHz. The tensor cores have a clock of their own where the row's would give more than the source.
double tensor_clock_of(const Gpu& gpu) {
  if (gpu.properties.compute_capability == 100) return 1835;
  if (gpu.properties.compute_capability != 90) return gpu.properties.clock_khz * 1e-3;
  return gpu.properties.name == "H100 PCIe" ? 1620 : 1830;
}

TEST(GpuRegistry, NamesAreThereOnce) {
  std::set<std::string> names;
  for (const Gpu& gpu : gpu_registry())
    EXPECT_TRUE(names.insert(gpu.properties.name).second) << gpu.properties.name;
  EXPECT_GE(names.size(), 20U);
}

TEST(GpuRegistry, PeaksAreThoseOfTheMultiprocessorsAtTheirClock) {
  for (const Gpu& gpu : gpu_registry()) {
    SCOPED_TRACE(gpu.properties.name);
    const Rates rates = rates_of(gpu);
    const double clocks = gpu.properties.multiprocessors * gpu.properties.clock_khz * 1e3;
    const double tensor_clocks = gpu.properties.multiprocessors * tensor_clock_of(gpu) * 1e6;
    EXPECT_NEAR(gpu.fp32, rates.fp32 * clocks, 0.02 * gpu.fp32);
    EXPECT_NEAR(gpu.tf32, rates.tf32 * tensor_clocks, 0.02 * gpu.tf32);
    EXPECT_NEAR(gpu.fp16, rates.fp16 * tensor_clocks, 0.02 * gpu.fp16);
    EXPECT_EQ(gpu.bf16, gpu.properties.compute_capability == 75 ? 0.0 : gpu.fp16);
  }
}

// The bandwidth is bus width × data rate: with the memory clock it gives a width that buses have.
TEST(GpuRegistry, BandwidthAndMemoryClockMakeABus) {
  for (const Gpu& gpu : gpu_registry()) {
    const double rate = 2.0 * gpu.properties.memory_clock_khz * 1e3;  // bits a second of one wire
    const double width = gpu.bandwidth * 8.0 / rate;
    double nearest = 0.0;
    for (const double bits : {128, 192, 256, 320, 384, 512, 3072, 5120, 6144, 7680}) {
      if (std::abs(bits - width) < std::abs(nearest - width)) nearest = bits;
    }
    // The H200's data sheet says 4.8 TB/s, its bus and clock 4.9.
    const double slack = gpu.properties.name == "H200" ? 0.03 : 0.01;
    EXPECT_NEAR(width, nearest, slack * nearest) << gpu.properties.name;
  }
}

TEST(GpuRegistry, EveryFigureIsOfTheRightSize) {
  for (const Gpu& gpu : gpu_registry()) {
    SCOPED_TRACE(gpu.properties.name);
    const GpuProperties& properties = gpu.properties;
    EXPECT_THAT(properties.multiprocessors, AllOf(Ge(20), Le(200)));
    EXPECT_THAT(properties.clock_khz, AllOf(Ge(1'000'000), Le(3'000'000)));
    EXPECT_THAT(properties.memory, AllOf(Ge(std::size_t{8} << 30U), Le(std::size_t{192} << 30U)));
    EXPECT_THAT(properties.l2_cache, AllOf(Ge(std::size_t{2} << 20U), Le(std::size_t{128} << 20U)));
    EXPECT_THAT(properties.shared_memory_per_block, AllOf(Ge(65'536U), Le(232'448U)));
    EXPECT_THAT(gpu.bandwidth, AllOf(Ge(250e9), Le(9e12)));
    EXPECT_FALSE(gpu.source.empty());
  }
}

TEST(GpuRegistry, FactsOfTheA100) {
  const Gpu& gpu = *find_gpu("A100 80GB");
  EXPECT_EQ(gpu.properties.compute_capability, 80);
  EXPECT_EQ(gpu.properties.multiprocessors, 108);
  EXPECT_EQ(gpu.properties.shared_memory_per_block, 166'912U);
  EXPECT_EQ(gpu.properties.blocks_per_multiprocessor, 32);
  EXPECT_EQ(gpu.properties.threads_per_multiprocessor, 2048);
  EXPECT_EQ(peak_flop_per_second(gpu, Precision::fp32), 19.5e12);
  EXPECT_EQ(peak_flop_per_second(gpu, Precision::tf32), 156e12);
  EXPECT_EQ(peak_flop_per_second(gpu, Precision::bf16), 312e12);
}

// As the devices say it: caches that dies and related GPUs have not, memory without what ECC takes.
TEST(GpuRegistry, FactsThatNamesDoNotTell) {
  EXPECT_EQ(find_gpu("RTX 3060")->properties.l2_cache, 2'359'296U);
  EXPECT_EQ(find_gpu("H200")->properties.l2_cache, 62'914'560U);
  EXPECT_EQ(find_gpu("B200")->properties.l2_cache, 132'644'864U);
  for (const auto& [name, nominal] :
       {std::pair{"T4", 16U}, {"A10", 24U}, {"A40", 48U}, {"L4", 24U}, {"L40S", 48U}}) {
    EXPECT_LT(find_gpu(name)->properties.memory, (std::size_t{nominal} << 30U) / 100 * 95) << name;
  }
}

TEST(GpuRegistry, ANameMayBeSpelledInManyWays) {
  for (const char* name : {"RTX 4090", "rtx4090", "NVIDIA GeForce RTX 4090", "rtx-4090"}) {
    ASSERT_NE(find_gpu(name), nullptr) << name;
    EXPECT_EQ(find_gpu(name)->properties.name, "RTX 4090");
  }
  EXPECT_EQ(find_gpu("Tesla T4")->properties.name, "T4");
  EXPECT_EQ(find_gpu("RTX 4091"), nullptr);
  EXPECT_EQ(find_gpu(""), nullptr);
}

TEST(GpuRegistry, APartOfANameFindsAllThatHaveIt) {
  EXPECT_THAT(gpu_names_like("A100"), ElementsAre("A100 40GB", "A100 80GB PCIe", "A100 80GB"));
  EXPECT_THAT(gpu_names_like("h100"), ElementsAre("H100 PCIe", "H100 SXM"));
  EXPECT_THAT(gpu_names_like("abacus"), IsEmpty());
  EXPECT_THAT(gpu_names_like(""), IsEmpty());
}

TEST(GpuRegistry, EveryArchitectureHasAGpuThatStandsForIt) {
  EXPECT_THAT(gpu_architectures(), ElementsAre(75, 80, 86, 89, 90, 100, 120));
  for (const int number : gpu_architectures()) {
    ASSERT_NE(representative_gpu(number), nullptr) << number;
    EXPECT_EQ(representative_gpu(number)->properties.compute_capability, number);
  }
  EXPECT_EQ(representative_gpu(70), nullptr);
}

}  // namespace
}  // namespace graft
