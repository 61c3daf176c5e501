#include "engine/backend/cuda/cudnn/convolution.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "engine/backend/cuda/cudnn/operations.h"
#include "engine/backend/cuda/cudnn/storage_type.h"
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
constexpr std::size_t most_notes = 64;

Notes numerical_notes(const Descriptor& engine) {
  return engine.values<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                                    CUDNN_TYPE_NUMERICAL_NOTE, most_notes);
}

// Such an engine takes 0.3 to 3 s to build, and needs a compiler and the driver for it.
bool is_compiled_at_run_time(const Descriptor& engine) {
  const auto notes = engine.values<cudnnBackendBehaviorNote_t>(
      CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE, most_notes);
  return std::ranges::find(notes, CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) != notes.end();
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
// an image's values then depends on its place in the batch. Hopper's engines do so for the last
// tiles with knob WORKSPACE 0 and a workspace for partial sums: a tile of floats, 128 KiB or more.
// Where no tile is cut they have the workspace of knob WORKSPACE 1, 131 bytes.
bool sums_by_place(const json& plan, std::size_t workspace_bytes) {
  constexpr std::size_t below_a_tile = 4096;
  const json& knobs = plan.at("engine").at("knobChoices");
  return knobs.value("CUDNN_KNOB_TYPE_STREAM_K", 0) != 0 ||
         (knobs.value("CUDNN_KNOB_TYPE_WORKSPACE", 1) != 1 && workspace_bytes > below_a_tile);
}

// Why an engine is skipped; null where it is not.
const char* objection_to(const Descriptor& engine, Precision precision, ChosenBy chosen_by) {
  if (!keeps_promises(precision, numerical_notes(engine))) {
    return "its engine does not keep the precision";
  }
  if (chosen_by != ChosenBy::time && is_compiled_at_run_time(engine)) {
    return "its engine is compiled at run time";
  }
  return nullptr;
}

const char* objection_to(const ConvolutionPlan& plan, const CudnnDevice& device) {
  if (sums_by_place(parsed(plan.serialised()), plan.workspace_bytes())) {
    return "its sums depend on an image's place in the batch";
  }
  // The largest workspaces hold copies of x and y, which are as large as the backbone's activations:
  // with more than half of the memory it would not fit. The share is of all memory, not of the free
  // memory: an image's features may not depend on what else runs.
  if (plan.workspace_bytes() > device.memory() / 2) {
    return "its workspace is too large for the GPU";
  }
  return nullptr;
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

// Runs `work`; nothing when cuDNN fails in it. `what` is skipped then.
template <typename Work>
auto if_possible(const CudnnDevice& device, const ConvolutionProblem& problem,
                 std::string_view what, Warnings& warnings, const Work& work)
    -> std::optional<decltype(work())> {
  try {
    return work();
  } catch (const LibraryFailure& failure) {
    skip_after(failure, device, problem, what, warnings);
    return std::nullopt;
  }
}

// The descriptors that an attribute of another holds, up to `most`.
std::vector<Descriptor> parts_of(const Descriptor& whole, cudnnBackendAttributeName_t name,
                                 cudnnBackendDescriptorType_t type, std::int64_t most) {
  std::vector<Descriptor> parts;
  std::vector<cudnnBackendDescriptor_t> to_fill;
  for (std::int64_t n = 0; n < most; ++n) to_fill.push_back(parts.emplace_back(type).get());
  if (most == 0) return parts;
  const std::int64_t filled = whole.read(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, most, to_fill.data());
  parts.erase(parts.begin() + std::min(filled, most), parts.end());
  return parts;
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
  return parts_of(heuristics, results, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR,
                  heuristics.read(results, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr));
}

Descriptor engine_in(const Descriptor& config) {
  return std::move(
      parts_of(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1).at(0));
}

std::int64_t number_of(const Descriptor& engine) {
  return engine.values<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1).at(0);
}

Descriptor engine_for(const CudnnDevice& device, const Descriptor& graph, std::int64_t number) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  engine.set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph)
      .set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, {number});
  device.give_properties(engine, CUDNN_ATTR_ENGINE_DEVICEPROP);
  engine.finalize();
  return engine;
}

// The same engine with the same knobs for another graph.
Descriptor carried_over(const CudnnDevice& device, const Descriptor& config,
                        const Descriptor& graph) {
  const Descriptor engine = engine_for(device, graph, number_of(engine_in(config)));
  const auto knobs = parts_of(config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES,
                              CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, CUDNN_KNOB_TYPE_COUNTS);
  std::vector<cudnnBackendDescriptor_t> choices;
  for (const Descriptor& knob : knobs) choices.push_back(knob.get());
  Descriptor carried(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  carried.set(CUDNN_ATTR_ENGINECFG_ENGINE, engine)
      .set(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR,
           static_cast<std::int64_t>(choices.size()), choices.data())
      .finalize();
  return carried;
}

std::string name_of_engine(const Descriptor& config) {
  return fmt::format("engine {}", number_of(engine_in(config)));
}

// Proposals for this graph from what cuDNN's heuristics propose for a batch of another size.
std::vector<Descriptor> proposals_from(const CudnnDevice& device, ConvolutionProblem problem,
                                       std::size_t batch, const Descriptor& graph,
                                       Warnings& warnings) {
  problem.batch = batch;
  const Operations operations(device, problem);
  std::vector<Descriptor> configs;
  for (const Descriptor& config : proposals(device, operations.graph(), CUDNN_HEUR_MODE_A)) {
    auto carried = if_possible(device, problem, name_of_engine(config), warnings,
                               [&] { return carried_over(device, config, graph); });
    if (carried) configs.push_back(std::move(*carried));
  }
  return configs;
}

// The plan for one proposal; nothing where it is not to be taken.
std::optional<ConvolutionPlan> plan_for(const CudnnDevice& device,
                                        const ConvolutionProblem& problem, ChosenBy chosen_by,
                                        const Descriptor& config) {
  const Descriptor engine = engine_in(config);
  if (objection_to(engine, problem.precision, chosen_by) != nullptr) return std::nullopt;
  Descriptor built = begun_plan(device);
  built.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config).finalize();
  ConvolutionPlan plan(device, problem, std::move(built), numerical_notes(engine));
  if (objection_to(plan, device) != nullptr) return std::nullopt;
  return plan;
}

void check_precision(const CudnnDevice& device, Precision precision) {
  if (device.compute_capability() >= 80) return;
  if (precision != Precision::bf16 && precision != Precision::tf32) return;
  throw Error(ErrorKind::device,
              "\"precision\": \"{}\" needs a GPU of sm_80 or later, and this is sm_{}: choose "
              "\"fp16\" or \"fp32\"",
              name_of(precision), device.compute_capability());
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

void offer_plans(const CudnnDevice& device, const ConvolutionProblem& problem, PlanSource source,
                 ChosenBy chosen_by, Warnings& warnings, const TakePlan& take) {
  check_precision(device, problem.precision);
  const auto possible = [&](std::string_view what, const auto& work) {
    return if_possible(device, problem, what, warnings, work);
  };
  const auto operations = possible("graph", [&] { return Operations(device, problem); });
  if (!operations) return;
  const Descriptor& graph = operations->graph();
  std::set<std::string> known;
  const auto offer = [&](const auto& propose) {
    const auto configs = possible("heuristic", propose);
    return configs && std::ranges::any_of(*configs, [&](const Descriptor& config) {
             auto plan = possible(name_of_engine(config), [&] {
                           return plan_for(device, problem, chosen_by, config);
                         }).value_or(std::nullopt);
             return plan && known.insert(plan->engine()).second && take(*plan);
           });
  };
  if (source == PlanSource::fallback) {
    offer([&] { return proposals(device, graph, CUDNN_HEUR_MODE_FALLBACK); });
    return;
  }
  if (offer([&] { return proposals(device, graph, CUDNN_HEUR_MODE_A); })) return;
  const bool has_enough = chosen_by == ChosenBy::time && !known.empty();
  for (std::size_t batch = problem.batch / 2; batch != 0 && !has_enough; batch /= 2) {
    if (offer([&] { return proposals_from(device, problem, batch, graph, warnings); })) return;
  }
}

void skip_after(const LibraryFailure& failure, const CudnnDevice& device,
                const ConvolutionProblem& problem, std::string_view what, Warnings& warnings) {
  if (is_not_supported(failure.code())) return;
  if (failure.code() == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED) {
    GRAFT_CUDA_CHECK(cudaErrorMemoryAllocation);
  }
  if (device.can_run()) GRAFT_CUDA_CHECK(cudaDeviceSynchronize());
  warn_of_skipped(warnings, problem, what, failure.what());
}

void warn_of_skipped(Warnings& warnings, const ConvolutionProblem& problem, std::string_view what,
                     std::string_view reason) {
  std::string sentence = fmt::format("cuDNN's {} is skipped for the convolution of {}: {}",
                                     what.substr(0, what.find(',')), text_of(problem), reason);
  if (std::ranges::find(warnings, sentence) == warnings.end()) {
    warnings.push_back(std::move(sentence));
  }
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
                                              const ConvolutionProblem& problem, ChosenBy chosen_by,
                                              const std::string& text) {
  const auto refuse_if = [](const char* objection) {
    if (objection != nullptr) throw Error(ErrorKind::data, objection);
  };
  check_precision(device, problem.precision);
  try {
    const json description = parsed(text);
    const Operations operations(device, problem);
    // The engine's notes are read again, and whether it still serves the problem.
    const Descriptor engine = engine_for(
        device, operations.graph(), description.at("engine").at("engineId").get<std::int64_t>());
    refuse_if(objection_to(engine, problem.precision, chosen_by));
    const bool fits = tensors_in(description) == tensors_of(problem);
    refuse_if(fits ? nullptr : "it is a plan for another convolution");
    Descriptor built = begun_plan(device);
    built
        .set(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
             static_cast<std::int64_t>(text.size()) + 1, text.c_str())
        .finalize();
    ConvolutionPlan plan(device, problem, std::move(built), numerical_notes(engine));
    refuse_if(objection_to(plan, device));
    return plan;
  } catch (const json::exception& error) {
    throw Error(ErrorKind::data, "the plan's text lacks something ({})", error.what());
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
