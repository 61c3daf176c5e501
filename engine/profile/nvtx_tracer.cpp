#include "engine/profile/nvtx_tracer.h"

#include <nvtx3/nvToolsExt.h>
#include <nvtx3/nvToolsExtCudaRt.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <new>
#include <string>

namespace graft {
namespace {

class NvtxTracer final : public Tracer {
 public:
  NvtxTracer() = default;
  NvtxTracer(const NvtxTracer&) = delete;
  NvtxTracer& operator=(const NvtxTracer&) = delete;
  ~NvtxTracer() override { nvtxDomainDestroy(domain_); }

  TraceDetail detail() const noexcept override { return TraceDetail::kernels; }

  void name_thread(const std::string& name) override {
    nvtxNameOsThreadA(static_cast<std::uint32_t>(::syscall(SYS_gettid)), name.c_str());
  }

  void begin(const char* name, std::uint64_t number) noexcept override {
    nvtxEventAttributes_t attributes = {};
    attributes.version = NVTX_VERSION;
    attributes.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
    attributes.payloadType = NVTX_PAYLOAD_TYPE_UNSIGNED_INT64;
    attributes.payload.ullValue = number;
    if (const nvtxStringHandle_t handle = registered(name)) {
      attributes.messageType = NVTX_MESSAGE_TYPE_REGISTERED;
      attributes.message.registered = handle;
    } else {
      attributes.messageType = NVTX_MESSAGE_TYPE_ASCII;
      attributes.message.ascii = name;
    }
    nvtxDomainRangePushEx(domain_, &attributes);
  }

  void end() noexcept override { nvtxDomainRangePop(domain_); }

  void name_queue(void* queue, const char* name) noexcept override {
    nvtxNameCudaStreamA(static_cast<cudaStream_t>(queue), name);
  }

 private:
  // Null if no tool is loaded or memory ran out.
  nvtxStringHandle_t registered(const char* name) noexcept {
    const std::lock_guard lock(mutex_);
    try {
      const auto [place, is_new] = strings_.try_emplace(name, nullptr);
      if (is_new) place->second = nvtxDomainRegisterStringA(domain_, name);
      return place->second;
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }

  const nvtxDomainHandle_t domain_ = nvtxDomainCreateA("graft");
  std::mutex mutex_;
  std::map<const char*, nvtxStringHandle_t> strings_;  // by the literal's address
};

}  // namespace

bool has_nvtx() {
  return true;
}

std::unique_ptr<Tracer> make_nvtx_tracer() {
  return std::make_unique<NvtxTracer>();
}

}  // namespace graft
