#pragma once
// The program's device code: registered by nvcc's static constructors, read and decoded when a
// kernel or variable is first used.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "interpreter.h"
#include "ptx.h"

namespace vgpu {

// A launch or a look-up that a driver would refuse. code: cudaError_t.
class ModuleError : public std::runtime_error {
 public:
  ModuleError(int error, const std::string& what) : std::runtime_error(what), code(error) {}
  int code;
};

class Modules {
 public:
  static Modules& instance();

  void** add(const void* fat_binary);  // returns the handle that the next calls carry
  void remove(void** handle);
  void add_function(void** handle, const void* host, const std::string& name);
  void add_variable(void** handle, const void* host, const std::string& name, std::size_t bytes);

  bool has_function(const void* host) const;
  // Both throw ModuleError. A kernel stays where it is until the process ends.
  const Kernel& kernel(const void* host);
  std::uint64_t variable(const void* host, std::size_t& bytes);

 private:
  struct Module {
    const void* fat_binary = nullptr;
    bool is_loaded = false;
    ModuleSyntax syntax;
    std::map<std::string, std::uint64_t> addresses;  // of global and constant variables
    std::map<std::string, std::unique_ptr<Kernel>> kernels;
  };
  struct Symbol {
    Module* module;
    std::string name;
    std::size_t bytes;
  };
  Modules() = default;
  static void load(Module& module);

  mutable std::recursive_mutex mutex_;
  std::map<void**, std::unique_ptr<Module>> modules_;
  std::map<const void*, Symbol> functions_, variables_;
};

}  // namespace vgpu
