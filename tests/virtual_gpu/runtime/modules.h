#pragma once
// The program's device code: registered by nvcc's static constructors, read and decoded when a
// kernel is first used.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "machine/interpreter.h"
#include "ptx/ptx.h"

namespace vgpu {

class Modules {
 public:
  static Modules& instance();

  void** add(const void* fat_binary);  // returns the handle that the next calls carry
  void remove(void** handle);
  void add_function(void** handle, const void* host, const std::string& name);

  // Throws Failure, with the error that a driver would give. A kernel stays where it is until the
  // process ends.
  const Kernel& kernel(const void* host);

 private:
  struct Module {
    const void* fat_binary = nullptr;
    bool is_loaded = false;
    ModuleSyntax syntax;
    std::map<std::string, std::uint64_t> addresses;  // of global and constant variables
    std::map<std::string, std::unique_ptr<Kernel>> kernels;
  };
  struct Function {
    Module* module;
    std::string name;
  };
  Modules() = default;
  static void load(Module& module);

  mutable std::recursive_mutex mutex_;
  std::map<void**, std::unique_ptr<Module>> modules_;
  std::map<const void*, Function> functions_;
};

}  // namespace vgpu
