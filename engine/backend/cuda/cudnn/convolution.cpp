#include "engine/backend/cuda/cudnn/convolution.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "engine/backend/cuda/cudnn/operations.h"
#include "engine/backend/cuda/cudnn/storage_type.h"
#include "engine/backend/cuda/runtime/errors.h"
#include "engine/base/error.h"

namespace graft::cuda {

namespace {

using nlohmann::json;

// ---- Notes ----

std::string word_for(cudnnBackendNumericalNote_t note) {
  constexpr std::pair<cudnnBackendNumericalNote_t, const char*> words[] = {
      {CUDNN_NUMERICAL_NOTE_TENSOR_CORE, "tensor core"},
      {CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS, "inputs down-converted"},
      {CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION, "sums in reduced precision"},
      {CUDNN_NUMERICAL_NOTE_FFT, "FFT"},
      {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, "nondeterministic"},
      {CUDNN_NUMERICAL_NOTE_WINOGRAD, "Winograd"},
      {CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4, "Winograd tile 4x4"},
      {CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6, "Winograd tile 6x6"},
      {CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13, "Winograd tile 13x13"},
      {CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP, "strict NaN propagation"},
  };
  for (const auto& [known, word] : words) {
    if (known == note) return word;
  }
  return fmt::format("note {}", static_cast<int>(note));
}

using Notes = std::vector<cudnnBackendNumericalNote_t>;

Notes numerical_notes(const Descriptor& engine) {
  constexpr std::size_t most_notes = 64;
  return engine.values<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                                    CUDNN_TYPE_NUMERICAL_NOTE, most_notes);
}

// Whether an engine with these notes keeps what ConvolutionProblem promises. A note that this
// program does not know is not trusted.
bool keeps_promises(Precision precision, const Notes& notes) {
  const bool half = precision == Precision::fp16 || precision == Precision::bf16;
  return std::none_of(notes.begin(), notes.end(), [&](cudnnBackendNumericalNote_t note) {
    switch (note) {
      case CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP:
      case CUDNN_NUMERICAL_NOTE_FFT:
        return false;
      case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
        return precision == Precision::fp32;  // its float inputs would be rounded to TF32
      case CUDNN_NUMERICAL_NOTE_WINOGRAD:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
        return half;  // the transformed tiles would be rounded to half once more
      default:
        return true;
    }
  });
}

// ---- Plans ----

// cuDNN's own text of a plan.
json parsed(const std::string& serialised) {
  json text = json::parse(serialised, nullptr, false);
  if (!text.is_object()) throw Error(ErrorKind::data, "the text of the plan is not JSON");
  return text;
}

std::string engine_text(const json& plan) {
  const json& engine = plan.at("engine");
  std::string text = fmt::format("engine {}", engine.at("engineId").get<std::int64_t>());
  for (const auto& [knob, choice] : engine.at("knobChoices").items()) {
    const std::string_view prefix = "CUDNN_KNOB_TYPE_";
    text += fmt::format(", {} {}", knob.starts_with(prefix) ? knob.substr(prefix.size()) : knob,
                        choice.dump());
  }
  return text;
}

// Stream-K cuts the sums where a multiprocessor's share of the batch's tiles ends. The rounding of
// an image's values then depends on its place in the batch.
bool sums_by_place(const json& plan) {
  return plan.at("engine").at("knobChoices").value("CUDNN_KNOB_TYPE_STREAM_K", 0) != 0;
}

std::string text_in(const Descriptor& plan) {
  constexpr auto name = CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION;
  const std::int64_t length = plan.read(name, CUDNN_TYPE_CHAR, 0, nullptr);
  std::string text(static_cast<std::size_t>(length), '\0');
  plan.read(name, CUDNN_TYPE_CHAR, length, text.data());
  text.resize(std::min(text.find('\0'), text.size()));
  return text;
}

Descriptor begun_plan(const CudnnDevice& device) {
  Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  device.give_handle(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE);
  device.give_properties(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
  return plan;
}

// Whether cuDNN has no such plan, or cannot build it here.
bool is_no_plan(int code) {
  return is_not_supported(code) || code == CUDNN_STATUS_INTERNAL_ERROR_COMPILATION_FAILED;
}

// Runs `work`; nothing when cuDNN does not support it. Errors go on.
template <typename Work>
auto if_supported(const Work& work) -> std::optional<decltype(work())> {
  try {
    return work();
  } catch (const LibraryFailure& failure) {
    if (!is_no_plan(failure.code())) throw;
    return std::nullopt;
  }
}

// The engines, each with its settings, that cuDNN proposes.
std::vector<Descriptor> proposals(const CudnnDevice& device, const Descriptor& graph,
                                  cudnnBackendHeurMode_t mode) {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, {mode});
  device.give_properties(heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP);
  heuristics.finalize();
  constexpr auto results = CUDNN_ATTR_ENGINEHEUR_RESULTS;
  const std::int64_t count = heuristics.read(results, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
  std::vector<Descriptor> configs;
  std::vector<cudnnBackendDescriptor_t> to_fill;
  for (std::int64_t n = 0; n < count; ++n) {
    configs.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    to_fill.push_back(configs.back().get());
  }
  if (count == 0) return configs;
  const std::int64_t filled =
      heuristics.read(results, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, to_fill.data());
  configs.erase(configs.begin() + std::min(filled, count), configs.end());
  return configs;
}

// The plan for one proposal, unless it breaks a promise or cannot be built.
std::optional<ConvolutionPlan> plan_for(const CudnnDevice& device,
                                        const ConvolutionProblem& problem,
                                        const Descriptor& config) {
  const Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t to_fill = engine.get();
  config.read(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &to_fill);
  const Notes notes = numerical_notes(engine);
  if (!keeps_promises(problem.precision, notes)) return std::nullopt;
  auto plan = if_supported([&] {
    Descriptor built = begun_plan(device);
    built.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config).finalize();
    return ConvolutionPlan(device, problem, std::move(built), notes);
  });
  if (plan && sums_by_place(parsed(plan->serialised()))) return std::nullopt;
  return plan;
}

void check_precision(const CudnnDevice& device, Precision precision) {
  if (device.compute_capability() >= 80) return;
  if (precision != Precision::bf16 && precision != Precision::tf32) return;
  throw Error(ErrorKind::device,
              fmt::format("\"precision\": \"{}\" needs a GPU of sm_80 or later, and this is sm_{}: "
                          "choose \"fp16\" or \"fp32\"",
                          name_of(precision), device.compute_capability()));
}

// Name, type and size of each tensor that a plan reads or writes. They must agree with the problem,
// or the plan would access memory out of bounds.
using Tensors = std::map<std::string, std::pair<std::string, std::vector<std::size_t>>>;

Tensors tensors_in(const json& plan) {
  Tensors tensors;
  for (const json& tensor : plan.at("operationGraph").at("tensors")) {
    if (tensor.at("isVirtual").get<bool>()) continue;
    tensors[tensor.at("name")] = {tensor.at("dataType"), tensor.at("dim")};
  }
  return tensors;
}

Tensors tensors_of(const ConvolutionProblem& p) {
  const std::string type = cudnn_storage_type(p.precision).name;
  Tensors tensors;
  const auto add = [&](std::int64_t id, std::vector<std::size_t> size) {
    tensors[std::to_string(id)] = {type, std::move(size)};
  };
  add(TensorId::x, {p.batch, p.input_channels, p.height, p.width});
  add(TensorId::filters, {p.output_channels, p.input_channels, 3, 3});
  if (p.bias_relu) add(TensorId::bias, {1, p.output_channels, 1, 1});
  add(TensorId::y, {p.batch, p.output_channels, p.height, p.width});
  return tensors;
}

}  // namespace

// ---- Problems ----

double ConvolutionProblem::flop() const {
  return 2.0 * static_cast<double>(weights()) * static_cast<double>(pixels());
}

double ConvolutionProblem::bytes() const {
  const std::size_t values =
      pixels() * (input_channels + output_channels) + weights() + (bias_relu ? output_channels : 0);
  return static_cast<double>(storage_bytes(precision)) * static_cast<double>(values);
}

std::string text_of(const ConvolutionProblem& problem) {
  return fmt::format("{}x{}x{}, {} to {} channels, {}{}", problem.batch, problem.height,
                     problem.width, problem.input_channels, problem.output_channels,
                     name_of(problem.precision), problem.bias_relu ? ", with bias and ReLU" : "");
}

// ---- Finding plans ----

std::vector<ConvolutionPlan> candidates(const CudnnDevice& device,
                                        const ConvolutionProblem& problem, std::size_t most) {
  check_precision(device, problem.precision);
  std::vector<ConvolutionPlan> plans;
  const auto operations = if_supported([&] { return Operations(device, problem); });
  if (!operations) return plans;
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    const auto configs = if_supported([&] { return proposals(device, operations->graph(), mode); });
    if (!configs) continue;
    for (const Descriptor& config : *configs) {
      if (plans.size() == most) return plans;
      auto plan = plan_for(device, problem, config);
      if (!plan) continue;
      const bool known = std::any_of(plans.begin(), plans.end(), [&](const ConvolutionPlan& other) {
        return other.engine() == plan->engine();
      });
      if (!known) plans.push_back(std::move(*plan));
    }
  }
  return plans;
}

// ---- A plan ----

ConvolutionPlan::ConvolutionPlan(const CudnnDevice& device, const ConvolutionProblem& problem,
                                 Descriptor plan, const Notes& notes)
    : handle_(device.handle()),
      problem_(problem),
      plan_(std::move(plan)),
      notes_(notes.size()),
      serialised_(text_in(plan_)) {
  std::int64_t workspace = 0;
  plan_.read(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &workspace);
  workspace_bytes_ = static_cast<std::size_t>(workspace);
  engine_ = engine_text(parsed(serialised_));
  std::transform(notes.begin(), notes.end(), notes_.begin(), word_for);
}

ConvolutionPlan ConvolutionPlan::deserialised(const CudnnDevice& device,
                                              const ConvolutionProblem& problem,
                                              const std::string& text) {
  check_precision(device, problem.precision);
  try {
    const json description = parsed(text);
    const Operations operations(device, problem);
    // The engine's notes are read again, and whether it still serves the problem.
    Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    engine.set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, operations.graph())
        .set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64,
             {description.at("engine").at("engineId").get<std::int64_t>()});
    device.give_properties(engine, CUDNN_ATTR_ENGINE_DEVICEPROP);
    engine.finalize();
    const Notes notes = numerical_notes(engine);
    if (!keeps_promises(problem.precision, notes)) {
      throw Error(ErrorKind::data, "its engine does not keep the precision");
    }
    if (sums_by_place(description)) {
      throw Error(ErrorKind::data, "its sums depend on an image's place in the batch");
    }
    if (tensors_in(description) != tensors_of(problem)) {
      throw Error(ErrorKind::data, "it is a plan for another convolution");
    }
    Descriptor plan = begun_plan(device);
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
             static_cast<std::int64_t>(text.size()) + 1, text.c_str())
        .finalize();
    return ConvolutionPlan(device, problem, std::move(plan), notes);
  } catch (const json::exception& error) {
    throw Error(ErrorKind::data, fmt::format("the plan's text lacks something ({})", error.what()));
  }
}

void ConvolutionPlan::run(cudaStream_t stream, const void* x, const void* filters, const void* bias,
                          void* y, void* workspace) const {
  if (handle_ == nullptr) throw Error(ErrorKind::usage, "a plan for a described GPU cannot run");
  const std::int64_t ids[] = {TensorId::x, TensorId::filters, TensorId::y, TensorId::bias};
  const void* pointers[] = {x, filters, y, bias};
  const std::int64_t count = problem_.bias_relu ? 4 : 3;
  Descriptor arguments(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  arguments.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, ids)
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, pointers)
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, {workspace})
      .finalize();
  GRAFT_CUDNN_CHECK(cudnnSetStream(handle_.get(), stream));
  GRAFT_CUDNN_CHECK(cudnnBackendExecute(handle_.get(), plan_.get(), arguments.get()));
}

}  // namespace graft::cuda
