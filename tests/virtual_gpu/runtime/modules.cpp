#include "runtime/modules.h"

#include <cstring>

#include "machine/memory.h"
#include "ptx/decoder.h"
#include "ptx/fat_binary.h"
#include "report/environment.h"

namespace vgpu {
Modules& Modules::instance() {
  static auto* modules = new Modules;
  return *modules;
}

void** Modules::add(const void* fat_binary) {
  const std::scoped_lock lock(mutex_);
  auto module = std::make_unique<Module>();
  module->fat_binary = fat_binary;
  auto** handle = reinterpret_cast<void**>(module.get());
  modules_[handle] = std::move(module);
  return handle;
}

void Modules::remove(void** handle) {
  const std::scoped_lock lock(mutex_);
  const auto found = modules_.find(handle);
  if (found == modules_.end()) return;
  std::erase_if(functions_,
                [&](const auto& entry) { return entry.second.module == found->second.get(); });
  modules_.erase(found);
}

void Modules::add_function(void** handle, const void* host, const std::string& name) {
  const std::scoped_lock lock(mutex_);
  functions_[host] = {modules_.at(handle).get(), name};
}

void Modules::load(Module& module) {
  if (module.is_loaded) return;
  try {
    const auto images = read_fat_binary(module.fat_binary);
    const Image* ptx = choose_ptx(images, environment().architecture);
    if (ptx == nullptr)
      throw Failure(
          cudaErrorNoKernelImageForDevice,
          "the program holds no PTX that runs on sm_" + std::to_string(environment().architecture));
    module.syntax = parse_ptx(ptx->text);
  } catch (const Failure&) {
    throw;
  } catch (const std::runtime_error& error) {
    throw Failure(cudaErrorInvalidKernelImage, error.what());
  }
  DeviceMemory& memory = DeviceMemory::instance();
  for (const Variable& v : module.syntax.variables) {
    if (v.space != Space::global && v.space != Space::constant) continue;
    const std::uint64_t address = memory.allocate(v.bytes, false);
    if (address == 0)
      throw Failure(cudaErrorMemoryAllocation, "no memory for the variable " + v.name);
    std::memset(memory.data(address), 0, v.bytes);
    std::memcpy(memory.data(address), v.initial.data(), std::min(v.initial.size(), v.bytes));
    memory.set_initialised(address, v.bytes);
    module.addresses[v.name] = address;
  }
  module.is_loaded = true;
}

const Kernel& Modules::kernel(const void* host) {
  const std::scoped_lock lock(mutex_);
  const auto found = functions_.find(host);
  if (found == functions_.end())
    throw Failure(cudaErrorInvalidDeviceFunction, "the launched function is no registered kernel");
  Module& module = *found->second.module;
  load(module);
  std::unique_ptr<Kernel>& kernel = module.kernels[found->second.name];
  if (kernel != nullptr) return *kernel;
  try {
    kernel = std::make_unique<Kernel>(
        decode_kernel(module.syntax, found->second.name, module.addresses));
    kernel->source_of = [&module](std::uint32_t line) { return module.syntax.source_of(line); };
  } catch (const PtxError& error) {
    throw Failure(cudaErrorInvalidKernelImage, error.what());
  }
  return *kernel;
}

}  // namespace vgpu
