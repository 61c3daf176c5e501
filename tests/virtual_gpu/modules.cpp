#include "modules.h"

#include <cstring>

#include "decoder.h"
#include "environment.h"
#include "fat_binary.h"
#include "memory.h"

namespace vgpu {
namespace {

constexpr int kInvalidImage = 200;
constexpr int kNoImageForDevice = 209;
constexpr int kOutOfMemory = 2;
constexpr int kInvalidFunction = 98;
constexpr int kInvalidSymbol = 13;

}  // namespace

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
  const auto belongs = [&](const auto& entry) {
    return entry.second.module == found->second.get();
  };
  std::erase_if(functions_, belongs);
  std::erase_if(variables_, belongs);
  modules_.erase(found);
}

void Modules::add_function(void** handle, const void* host, const std::string& name) {
  const std::scoped_lock lock(mutex_);
  functions_[host] = {modules_.at(handle).get(), name, 0};
}

void Modules::add_variable(void** handle, const void* host, const std::string& name,
                           std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  variables_[host] = {modules_.at(handle).get(), name, bytes};
}

bool Modules::has_function(const void* host) const {
  const std::scoped_lock lock(mutex_);
  return functions_.count(host) != 0;
}

void Modules::load(Module& module) {
  if (module.is_loaded) return;
  try {
    const auto images = read_fat_binary(module.fat_binary);
    const Image* ptx = choose_ptx(images, environment().architecture);
    if (ptx == nullptr)
      throw ModuleError(kNoImageForDevice, "the program holds no PTX that runs on sm_" +
                                               std::to_string(environment().architecture));
    module.syntax = parse_ptx(ptx->text);
  } catch (const ModuleError&) {
    throw;
  } catch (const std::runtime_error& error) {
    throw ModuleError(kInvalidImage, error.what());
  }
  DeviceMemory& memory = DeviceMemory::instance();
  for (const Variable& v : module.syntax.variables) {
    if (v.space != Space::global && v.space != Space::constant) continue;
    const std::uint64_t address = memory.allocate(v.bytes, false, false);
    if (address == 0) throw ModuleError(kOutOfMemory, "no memory for the variable " + v.name);
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
    throw ModuleError(kInvalidFunction, "the launched function is no registered kernel");
  Module& module = *found->second.module;
  load(module);
  std::unique_ptr<Kernel>& kernel = module.kernels[found->second.name];
  try {
    if (kernel == nullptr)
      kernel = std::make_unique<Kernel>(
          decode_kernel(module.syntax, found->second.name, module.addresses));
  } catch (const PtxError& error) {
    throw ModuleError(kInvalidImage, error.what());
  }
  return *kernel;
}

std::uint64_t Modules::variable(const void* host, std::size_t& bytes) {
  const std::scoped_lock lock(mutex_);
  const auto found = variables_.find(host);
  if (found == variables_.end())
    throw ModuleError(kInvalidSymbol, "the symbol is no registered device variable");
  Module& module = *found->second.module;
  load(module);
  bytes = found->second.bytes;
  return module.addresses.at(found->second.name);
}

}  // namespace vgpu
