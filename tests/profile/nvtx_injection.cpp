// An NVTX tool, like nsys' library: NVTX loads it by NVTX_INJECTION64_PATH, and it writes each call
// as a line into the file NVTX_CALLS:
//   domain NAME · push THREAD NAME NUMBER · pop THREAD · thread THREAD NAME · stream NAME

#include <nvtx3/nvToolsExt.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <string>

namespace {

// Never destroyed: threads may still call at the end of the program.
std::mutex& mutex() {
  static auto* the_mutex = new std::mutex;
  return *the_mutex;
}

void write_line(const std::string& line) {
  const char* path = std::getenv("NVTX_CALLS");
  if (path == nullptr) return;
  const std::lock_guard lock(mutex());
  if (std::FILE* file = std::fopen(path, "a")) {
    std::fputs((line + '\n').c_str(), file);
    std::fclose(file);
  }
}

std::string this_thread() {
  return std::to_string(::syscall(SYS_gettid));
}

nvtxDomainHandle_t domain_create(const char* name) {
  write_line("domain " + std::string(name));
  static int domain;
  return reinterpret_cast<nvtxDomainHandle_t>(&domain);
}

nvtxStringHandle_t register_string(nvtxDomainHandle_t, const char* text) {
  static auto* strings = new std::deque<std::string>;
  const std::lock_guard lock(mutex());
  return reinterpret_cast<nvtxStringHandle_t>(&strings->emplace_back(text));
}

int push(nvtxDomainHandle_t, const nvtxEventAttributes_t* attributes) {
  const bool is_registered = attributes->messageType == NVTX_MESSAGE_TYPE_REGISTERED;
  const std::string name =
      is_registered ? *reinterpret_cast<const std::string*>(attributes->message.registered)
                    : "unregistered";
  write_line("push " + this_thread() + ' ' + name + ' ' +
             std::to_string(attributes->payload.ullValue));
  return 0;
}

int pop(nvtxDomainHandle_t) {
  write_line("pop " + this_thread());
  return 0;
}

void name_thread(std::uint32_t thread, const char* name) {
  write_line("thread " + std::to_string(thread) + ' ' + name);
}

void name_stream(void*, const char* name) {
  write_line("stream " + std::string(name));
}

// Sets an entry of NVTX's function table, if the table has it.
template <typename Function>
void attach(NvtxExportTableCallbacks* callbacks, NvtxCallbackModule module, unsigned place,
            Function* function) {
  NvtxFunctionTable table = nullptr;
  unsigned size = 0;
  if (callbacks->GetModuleFunctionTable(module, &table, &size) == 0 || place >= size) return;
  *table[place] = reinterpret_cast<NvtxFunctionPointer>(function);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int InitializeInjectionNvtx2(
    NvtxGetExportTableFunc_t get_table) {
  auto* callbacks = const_cast<NvtxExportTableCallbacks*>(
      static_cast<const NvtxExportTableCallbacks*>(get_table(NVTX_ETID_CALLBACKS)));
  if (callbacks == nullptr) return 0;
  attach(callbacks, NVTX_CB_MODULE_CORE, NVTX_CBID_CORE_NameOsThreadA, name_thread);
  attach(callbacks, NVTX_CB_MODULE_CORE2, NVTX_CBID_CORE2_DomainCreateA, domain_create);
  attach(callbacks, NVTX_CB_MODULE_CORE2, NVTX_CBID_CORE2_DomainRegisterStringA, register_string);
  attach(callbacks, NVTX_CB_MODULE_CORE2, NVTX_CBID_CORE2_DomainRangePushEx, push);
  attach(callbacks, NVTX_CB_MODULE_CORE2, NVTX_CBID_CORE2_DomainRangePop, pop);
  attach(callbacks, NVTX_CB_MODULE_CUDART, NVTX_CBID_CUDART_NameCudaStreamA, name_stream);
  return 1;
}
