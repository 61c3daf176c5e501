// cuDNN's backend API with a handle, on a machine without a device. The real library builds real
// execution plans for the virtual GPU's properties; executing one computes its graph on the host.

#include <cudnn.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "libraries/cudnn_graph.h"
#include "machine/memory.h"
#include "report/leaks.h"
#include "report/report.h"
#include "runtime/api.h"
#include "runtime/device.h"

using namespace vgpu;

namespace {

struct Handle {
  cudaStream_t stream = nullptr;
};
Handle& handle_from(cudnnHandle_t handle) {
  return *reinterpret_cast<Handle*>(handle);
}

// What the program has set of a descriptor.
struct Descriptor {
  std::vector<void*> pointers;  // of a variant pack
  std::vector<std::int64_t> uids;
  void* workspace = nullptr;
  bool has_device = false;  // its own description of a device, which need not be this one
};

struct State {
  std::mutex mutex;
  std::set<cudnnHandle_t> handles;
  std::map<cudnnBackendDescriptor_t, Descriptor> descriptors;
};
State& state() {
  static auto* the_state = new State;  // never destroyed
  return *the_state;
}

// cuDNN itself: behind this library in the order of loading or, where the program has loaded it
// with dlopen for some library alone, by its name.
void* symbol(const char* name) {
  if (void* found = dlsym(RTLD_NEXT, name)) return found;
  void* library = dlopen("libcudnn.so.9", RTLD_LAZY | RTLD_NOLOAD);
  return library == nullptr ? nullptr : dlsym(library, name);
}

template <class F>
F* real(F*, const char* name) {
  auto* function = reinterpret_cast<F*>(symbol(name));
  if (function == nullptr) {
    std::fprintf(stderr, "vgpu: the program uses %s but has not loaded libcudnn\n", name);
    std::abort();
  }
  return function;
}
#define REAL(name) real(&(name), #name)

// The virtual GPU as a cuDNN descriptor. Made once and never destroyed.
cudnnBackendDescriptor_t device_properties() {
  static cudnnBackendDescriptor_t properties = [] {
    const std::string text = cudnn_device_json();
    cudnnBackendDescriptor_t d = nullptr;
    const auto failed = [](cudnnStatus_t status) { return status != CUDNN_STATUS_SUCCESS; };
    if (failed(REAL(cudnnBackendCreateDescriptor)(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &d)) ||
        failed(REAL(cudnnBackendSetAttribute)(
            d, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
            static_cast<std::int64_t>(text.size()) + 1, text.c_str())) ||
        failed(REAL(cudnnBackendFinalize)(d)))
      std::fprintf(stderr, "vgpu: cuDNN does not take the device's properties\n");
    return d;
  }();
  return properties;
}

std::string plan_json(cudnnBackendDescriptor_t plan) {
  std::string text(std::size_t{1} << 20U, '\0');
  std::int64_t count = 0;
  const cudnnStatus_t status = REAL(cudnnBackendGetAttribute)(
      plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
      static_cast<std::int64_t>(text.size()), &count, text.data());
  if (status != CUDNN_STATUS_SUCCESS) throw std::runtime_error("the plan has no JSON");
  text.resize(std::min(text.find('\0'), text.size()));
  return text;
}

// The fault of this name for a plan's engine. 0: none, or the descriptor is not a plan.
int engine_fault(const char* name, cudnnBackendDescriptor_t plan) {
  const std::map<long, int> faults = Faults::instance().of_engines(name);
  if (faults.empty()) return 0;
  try {
    const auto text = nlohmann::json::parse(plan_json(plan));
    for (const long number : {text.at("engine").at("engineId").get<long>(), -1L})
      if (const auto fault = faults.find(number); fault != faults.end()) return fault->second;
  } catch (const std::runtime_error&) {
  }
  return 0;
}

// Whether the plan's engine has the note "tensor core". Float inputs are then rounded to TF32.
bool uses_tensor_cores(cudnnBackendDescriptor_t plan) {
  constexpr std::int64_t kMostNotes = 64;
  cudnnBackendNumericalNote_t notes[kMostNotes];
  cudnnBackendDescriptor_t config = nullptr;
  cudnnBackendDescriptor_t engine = nullptr;
  std::int64_t count = 0;
  REAL(cudnnBackendCreateDescriptor)(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &config);
  REAL(cudnnBackendCreateDescriptor)(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine);
  const auto get = REAL(cudnnBackendGetAttribute);
  const bool is_known =
      get(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count,
          &config) == CUDNN_STATUS_SUCCESS &&
      get(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine) ==
          CUDNN_STATUS_SUCCESS &&
      get(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, kMostNotes, &count,
          notes) == CUDNN_STATUS_SUCCESS;
  REAL(cudnnBackendDestroyDescriptor)(engine);
  REAL(cudnnBackendDestroyDescriptor)(config);
  if (!is_known) throw std::runtime_error("the plan's engine has no notes");
  return std::find(notes, notes + count, CUDNN_NUMERICAL_NOTE_TENSOR_CORE) != notes + count;
}

std::int64_t workspace_bytes(cudnnBackendDescriptor_t plan) {
  std::int64_t bytes = 0;
  std::int64_t count = 0;
  REAL(cudnnBackendGetAttribute)
  (plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &bytes);
  return bytes;
}

bool is_handle(cudnnHandle_t handle) {
  const std::scoped_lock lock(state().mutex);
  return state().handles.count(handle) != 0;
}

void check_workspace(void* workspace, std::int64_t signed_bytes) {
  const auto bytes = static_cast<std::size_t>(signed_bytes);
  const auto address = reinterpret_cast<std::uint64_t>(workspace);
  if (bytes > 0 && !DeviceMemory::instance().is_live(address, bytes))
    device_read("cudnnBackendExecute (workspace)", workspace, bytes);  // throws
}

}  // namespace

std::size_t vgpu::live_cudnn_handles() {
  const std::scoped_lock lock(state().mutex);
  return state().handles.size();
}
std::size_t vgpu::live_cudnn_descriptors() {
  const std::scoped_lock lock(state().mutex);
  return state().descriptors.size();
}

#define VGPU_CUDNN_CALL(name) VGPU_LIBRARY_CALL(name, cudnnStatus_t)

VGPU_EXPORT cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  VGPU_CUDNN_CALL("cudnnCreate");
  *handle = reinterpret_cast<cudnnHandle_t>(new Handle);
  const std::scoped_lock lock(state().mutex);
  state().handles.insert(*handle);
  return CUDNN_STATUS_SUCCESS;
}
VGPU_EXPORT cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  const std::scoped_lock lock(state().mutex);
  if (state().handles.erase(handle) == 0) return CUDNN_STATUS_BAD_PARAM;
  delete &handle_from(handle);
  return CUDNN_STATUS_SUCCESS;
}
VGPU_EXPORT cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  VGPU_CUDNN_CALL("cudnnSetStream");
  if (!is_handle(handle)) return CUDNN_STATUS_BAD_PARAM;
  handle_from(handle).stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

VGPU_EXPORT cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                                       cudnnBackendDescriptor_t* descriptor) {
  VGPU_CUDNN_CALL("cudnnBackendCreateDescriptor");
  const cudnnStatus_t status = REAL(cudnnBackendCreateDescriptor)(type, descriptor);
  if (status != CUDNN_STATUS_SUCCESS) return status;
  const std::scoped_lock lock(state().mutex);
  state().descriptors[*descriptor] = {};
  return status;
}

VGPU_EXPORT cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  {
    const std::scoped_lock lock(state().mutex);
    state().descriptors.erase(descriptor);
  }
  return REAL(cudnnBackendDestroyDescriptor)(descriptor);
}

VGPU_EXPORT cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                                   cudnnBackendAttributeName_t name,
                                                   cudnnBackendAttributeType_t type,
                                                   std::int64_t count, const void* values) {
  VGPU_CUDNN_CALL("cudnnBackendSetAttribute");
  if (type == CUDNN_TYPE_HANDLE) return CUDNN_STATUS_SUCCESS;  // the device is given at finalize
  {
    const std::scoped_lock lock(state().mutex);
    Descriptor& d = state().descriptors[descriptor];
    switch (name) {
      case CUDNN_ATTR_ENGINEHEUR_DEVICEPROP:
      case CUDNN_ATTR_ENGINE_DEVICEPROP:
      case CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP:
        d.has_device = true;
        break;
      case CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS: {
        const auto* uids = static_cast<const std::int64_t*>(values);
        d.uids.assign(uids, uids + count);
        break;
      }
      case CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS: {
        const auto* pointers = static_cast<void* const*>(values);
        d.pointers.assign(pointers, pointers + count);
        break;
      }
      case CUDNN_ATTR_VARIANT_PACK_WORKSPACE:
        d.workspace = *static_cast<void* const*>(values);
        break;
      default:
        break;
    }
  }
  return REAL(cudnnBackendSetAttribute)(descriptor, name, type, count, values);
}

VGPU_EXPORT cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor,
                                                   cudnnBackendAttributeName_t name,
                                                   cudnnBackendAttributeType_t type,
                                                   std::int64_t capacity, std::int64_t* count,
                                                   void* values) {
  VGPU_CUDNN_CALL("cudnnBackendGetAttribute");
  return REAL(cudnnBackendGetAttribute)(descriptor, name, type, capacity, count, values);
}

VGPU_EXPORT cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  VGPU_CUDNN_CALL("cudnnBackendFinalize");
  bool has_device = false;
  {
    const std::scoped_lock lock(state().mutex);
    has_device = state().descriptors[descriptor].has_device;
  }
  if (!has_device) {
    cudnnBackendDescriptor_t properties = device_properties();
    // Each kind of descriptor takes its own and refuses the others.
    for (const auto name : {CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_ATTR_ENGINE_DEVICEPROP,
                            CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP})
      REAL(cudnnBackendSetAttribute)
    (descriptor, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &properties);
  }
  const cudnnStatus_t status = REAL(cudnnBackendFinalize)(descriptor);
  const int fault =
      status == CUDNN_STATUS_SUCCESS ? engine_fault("engine.finalize", descriptor) : 0;
  return fault == 0 ? status : static_cast<cudnnStatus_t>(fault);
}

VGPU_EXPORT cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                              cudnnBackendDescriptor_t variant) {
  VGPU_CUDNN_CALL("cudnnBackendExecute");
  if (!is_handle(handle)) return CUDNN_STATUS_BAD_PARAM;
  if (const int fault = engine_fault("engine.execute", plan); fault != 0)
    return static_cast<cudnnStatus_t>(fault);
  const bool saturates = engine_fault("engine.saturate", plan) != 0;
  Descriptor pack;
  {
    const std::scoped_lock lock(state().mutex);
    pack = state().descriptors[variant];
  }
  if (pack.uids.size() != pack.pointers.size()) return CUDNN_STATUS_BAD_PARAM;
  std::map<std::int64_t, void*> pointers;
  for (std::size_t n = 0; n < pack.uids.size(); ++n) pointers[pack.uids[n]] = pack.pointers[n];
  try {
    const std::string json = plan_json(plan);
    const CudnnGraph graph(json, uses_tensor_cores(plan), pointers);
    const auto work = [graph, workspace = pack.workspace, bytes = workspace_bytes(plan),
                       saturates] {
      check_workspace(workspace, bytes);
      graph.compute(saturates);
    };
    return enqueue_in(handle_from(handle).stream, "cudnnBackendExecute", json, work)
               ? CUDNN_STATUS_SUCCESS
               : CUDNN_STATUS_EXECUTION_FAILED;
  } catch (const std::exception& error) {
    Report::instance().error(
        "cudnn", "", 0,
        std::string("cudnnBackendExecute: not known to this virtual GPU: ") + error.what());
    return CUDNN_STATUS_NOT_SUPPORTED;
  }
}
