#pragma once
// The values of the NVML stub (nvml_stub.cpp). Tests get them by dlsym of nvml_stub().

#include <map>
#include <string>
#include <vector>

struct NvmlStub {
  // NVML's code by function, instead of success. 999: unknown error.
  std::map<std::string, int> failing;
  std::string pci_bus_id = "00000000:01:00.0";  // of its one device
  std::string driver = "580.65.06";
  unsigned clock_mhz = 1755, memory_clock_mhz = 2619, temperature = 54, power_milliwatts = 412500;
  unsigned application_clock_mhz = 1980, default_clock_mhz = 1980;
  unsigned long long reasons = 0;
  std::vector<unsigned> processes;  // by number
  int started = 0;                  // nvmlInit_v2 less nvmlShutdown
  std::map<std::string, int> calls;
};

extern "C" NvmlStub* nvml_stub();
