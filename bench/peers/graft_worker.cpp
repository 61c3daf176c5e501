// graft-bench-worker, graft's side of bench/peers.py: repeats one piece of work on request. The
// protocol is that of the other engines' workers, one JSON object a line on stdin, one a line in
// answer on stdout (bench/peers/protocol.py).
//   build/release/graft-bench-worker cpu auto|portable|avx2|avx512
//   build/release/graft-bench-worker cuda:N fp32|tf32|fp16|bf16
//
// A round of features is timed from the images' bytes in host memory to features in host memory:
// submit() and wait(), including the rescaling. A round of the head is training steps, including
// the gathering of their rows. The device is synchronised before the clock is read. The virtual GPU
// computes everything, but requests for a time are errors.

#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bench/cases/timed.h"
#include "bench/cpu/cpu_bench_device.h"
#include "engine/backend/backend.h"
#include "engine/backend/cpu/cpu_backend.h"
#include "engine/base/error.h"
#include "engine/features/npy.h"
#include "engine/weights/vgg16_weights.h"

namespace graft::bench {
namespace {

using Json = nlohmann::json;
using cpu::Isa;

// A CPU with its vector instructions, or a GPU with a precision.
struct Target {
  std::string device = "cpu";
  Isa isa = Isa::portable;
  Precision precision = Precision::fp32;

  bool is_cpu() const { return device == "cpu"; }
  std::string_view setting() const { return is_cpu() ? cpu::name_of(isa) : name_of(precision); }
  std::unique_ptr<Backend> make(std::size_t threads) const {
    if (is_cpu()) return std::make_unique<cpu::CpuBackend>(threads, isa);
    return make_backend(device, threads);
  }
};

Target target_of(const std::string& device, const std::string& how) {
  if (device == "cpu") return {device, isa_of(how), Precision::fp32};
  const auto precision = enum_named<Precision>(how);
  if (!precision) throw std::invalid_argument("expected fp32, tf32, fp16 or bf16, got " + how);
  return {device, Isa::portable, *precision};
}

bool on_virtual_gpu() {
  return dlsym(RTLD_DEFAULT, "vgpu_error_count") != nullptr;
}

void check_timer(const Target& target) {
  if (target.is_cpu() || !on_virtual_gpu()) return;
  throw Error(
      ErrorKind::device,
      "The virtual GPU has no timer; run this on a machine with a GPU, without LD_PRELOAD.");
}

// Throws when the file does not have exactly `count` values.
template <typename Value>
void read_values(const std::filesystem::path& path, Value* values, std::size_t count) {
  std::ifstream file(path, std::ios::binary);
  const auto bytes = static_cast<std::streamsize>(count * sizeof(Value));
  if (!file.read(reinterpret_cast<char*>(values), bytes) || file.peek() != EOF) {
    throw std::runtime_error(path.string() + " does not have " + std::to_string(bytes) + " bytes");
  }
}

// The work that peers.py requests.
class Work {
 public:
  virtual ~Work() = default;
  // May return before the device has finished.
  virtual void run() = 0;
  virtual void finish() {}  // waits for the device
  // Writes the values that are compared with the peers'.
  virtual void check(const Json& request, const std::filesystem::path& output) = 0;
};

class FeaturesWork final : public Work {
 public:
  FeaturesWork(const Json& work, const Target& target)
      : side_(work.at("side")),
        batch_(work.at("batch")),
        backend_(target.make(work.at("threads"))) {
    const auto weights = load_vgg16_weights(work.at("weights").get<std::string>());
    BackboneOptions options = {{side_, side_}, Preprocess::rescale, batch_};
    options.precision = target.precision;
    options.autotune = !target.is_cpu() && !on_virtual_gpu();  // peers autotune too
    backbone_ = backend_->make_backbone(weights, options);
    const std::size_t bytes = batch_ * side_ * side_ * 3;
    pictures_ = backend_->allocate_host(bytes);
    features_ = backend_->allocate_host(batch_ * shape().count() * sizeof(float));
    read_values(work.at("pictures").get<std::string>(), pictures_.as<std::uint8_t>().data(), bytes);
  }

  void run() override {
    backbone_->wait(
        backbone_->submit(pictures_.as<const std::uint8_t>(), batch_, features_.as<float>()));
  }

  void check(const Json&, const std::filesystem::path& output) override {
    run();
    const std::size_t rows_columns_channels[] = {batch_, shape().height, shape().width,
                                                 shape().channels};
    write_npy(output, features_.as<const float>(), rows_columns_channels);
  }

 private:
  FeatureShape shape() const { return vgg16_feature_shape({side_, side_}); }

  std::uint32_t side_;
  std::size_t batch_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Backbone> backbone_;
  HostBuffer pictures_, features_;
};

class HeadWork final : public Work {
 public:
  HeadWork(const Json& work, const Target& target) : backend_(target.make(work.at("threads"))) {
    options_.inputs = work.at("inputs");
    options_.hidden = {work.at("units").get<std::size_t>()};
    options_.dropout = work.at("dropout");
    options_.batch_size = work.at("batch");
    options_.optimizer.learning_rate = work.at("learning_rate");
    read(work.at("data").get<std::string>(), work.at("rows"));
    if (labels_.size() % options_.batch_size != 0) {
      throw std::invalid_argument("the rows are not complete batches");
    }
    order_.resize(labels_.size());
    std::iota(order_.begin(), order_.end(), 0U);
    head_ = make(options_);
  }

  void run() override { train(*head_, step_++); }

  void finish() override { head_->take_totals(); }

  // The losses of the first steps without dropout: a head of its own, from the same parameters.
  void check(const Json& request, const std::filesystem::path& output) override {
    HeadOptions options = options_;
    options.dropout = 0.0;
    options.optimizer.epsilon_inside_sqrt = request.at("epsilon_inside_sqrt");
    const std::unique_ptr<Head> head = make(options);
    std::vector<float> losses;
    for (std::uint64_t step = 0; step < request.at("steps").get<std::uint64_t>(); ++step) {
      train(*head, step);
      losses.push_back(static_cast<float>(head->take_totals().loss()));
    }
    const std::size_t shape[] = {losses.size()};
    write_npy(output, losses, shape);
  }

 private:
  // float32: features, labels, then kernel and bias of each Dense.
  void read(const std::filesystem::path& path, std::size_t rows) {
    const std::size_t inputs = options_.inputs, units = options_.hidden.front();
    std::vector<float> values(rows * (inputs + 1) + units * (inputs + 2) + 1);
    read_values(path, values.data(), values.size());
    const float* next = values.data();
    const auto take = [&next](std::size_t count) {
      next += count;
      return std::vector<float>(next - count, next);
    };
    features_ = take(rows * inputs);
    for (const float label : take(rows)) labels_.push_back(label > 0.5F ? 1 : 0);
    // Braces evaluate from left to right.
    state_.parameters = {{inputs, units, take(inputs * units), take(units)},
                         {units, 1, take(units), take(1)}};
  }

  std::unique_ptr<Head> make(const HeadOptions& options) {
    auto head = backend_->make_head(options);
    head->set_state(state_);
    head->set_training_data({features_.data(), labels_.size(), options.inputs}, labels_, {});
    return head;
  }

  // The rows in their order, again and again.
  void train(Head& head, std::uint64_t step) const {
    if (step % (order_.size() / options_.batch_size) == 0) head.begin_epoch(order_, step);
    head.train_step();
  }

  std::unique_ptr<Backend> backend_;
  HeadOptions options_;
  HeadState state_;
  std::vector<float> features_;
  std::vector<std::uint32_t> labels_, order_;
  std::unique_ptr<Head> head_;
  std::uint64_t step_ = 0;
};

class Worker {
 public:
  explicit Worker(Target target) : target_(std::move(target)) {}

  Json answer(const Json& request) {
    const std::string command = request.at("command");
    if (command == "device") return device();
    if (command == "prepare") return prepare(request.at("work"));
    if (command == "peak") return peak(request.at("threads"));
    if (command == "check") {
      work(command).check(request, request.at("output").get<std::string>());
      return {{"ok", true}};
    }
    if (command == "round") return round(work(command), request.at("times"));
    throw std::invalid_argument("unknown command " + command);
  }

 private:
  Work& work(const std::string& command) const {
    if (work_ == nullptr) throw std::logic_error(command + " before prepare");
    return *work_;
  }

  // Checks that the device exists, supports this precision, and has a timer.
  Json device() const {
    check_timer(target_);
    const std::unique_ptr<Backend> backend = target_.make(0);
    BackboneOptions smallest = {{32, 32}, Preprocess::rescale, 1};
    smallest.precision = target_.precision;
    backend->numerics(smallest);
    return {{"ok", true}, {"device", backend->description()}};
  }

  Json prepare(const Json& work) {
    const std::string kind = work.at("kind");
    if (kind == "features") {
      work_ = std::make_unique<FeaturesWork>(work, target_);
    } else if (kind == "head") {
      work_ = std::make_unique<HeadWork>(work, target_);
    } else {
      throw std::invalid_argument("unknown work " + kind);
    }
    work_->run();
    work_->finish();
    return {{"ok", true},
            {"version", "this tree"},
            {"setting", target_.setting()},
            {"epsilon_inside_sqrt", true}};
  }

  Json round(Work& work, std::size_t times) const {
    check_timer(target_);
    const auto run = [&work](std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) work.run();
      work.finish();
    };
    run(std::max<std::size_t>(times / 8, 1));  // the other engines' rounds have emptied the caches
    return {{"ok", true}, {"seconds", seconds_of([&] { run(times); })}};
  }

  Json peak(std::size_t threads) const {
    if (!target_.is_cpu()) throw std::invalid_argument("the peak is measured on a CPU only");
    return {{"ok", true},
            {"multiply_add", multiply_add_peak(target_.isa, threads)},
            {"memory_read", memory_read_peak(threads)}};
  }

  Target target_;
  std::unique_ptr<Work> work_;
};

void serve(Worker& worker) {
  for (std::string line; std::getline(std::cin, line);) {
    Json answer;
    try {
      answer = worker.answer(Json::parse(line));
    } catch (const std::exception& error) {
      answer = {{"ok", false}, {"error", error.what()}};
    }
    std::cout << answer.dump() << std::endl;
  }
}

}  // namespace
}  // namespace graft::bench

int main(int count, char** values) {
  try {
    if (count != 3) {
      throw std::invalid_argument("expected a device and its setting: cpu avx2, or cuda:0 fp16");
    }
    graft::bench::Worker worker(graft::bench::target_of(values[1], values[2]));
    graft::bench::serve(worker);
  } catch (const std::exception& error) {
    std::cerr << "graft-bench-worker: " << error.what() << '\n';
    return 2;
  }
  return 0;
}
