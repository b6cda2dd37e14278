#include "core/device.h"

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include "core/environment.h"
#include "core/isa.h"
#include "core/platform.h"
#include "core/precision.h"
#include "pyseq/error.h"

namespace pyseq {
namespace {

using DevicesFunction = int (*)(char*, std::size_t);
using TableFunction = const KernelTable* (*)(int, int (*)());

struct Module {
  DevicesFunction devices = nullptr;
  TableFunction table = nullptr;
  std::string missing;  // why there are no devices
  int count = 0;
};

bool is_set(const char* name) {
  const char* v = from_environment(name);
  return v && std::strcmp(v, "0") != 0;
}

// The module lies beside the library or program that holds this code.
std::string folder() { return platform::folder_of(reinterpret_cast<const void*>(&kernel_table)); }

Module load() {
  Module m;
  const bool emulated = is_set("PYSEQ_CUDA_EMULATION");
  const std::string name = platform::library_name(emulated ? "pyseq_cuda_emulation" : "pyseq_cuda");
  std::string why, elsewhere;
  void* handle = platform::load_library(folder() + name, why);
  if (!handle) handle = platform::load_library(name, elsewhere);
  if (!handle) {
    m.missing = "the module " + name + " could not be loaded (" + why +
                "); build pyseq with -DPYSEQ_CUDA=ON, and install its libraries, pyseq-nn[cuda]";
    return m;
  }
  m.devices = reinterpret_cast<DevicesFunction>(platform::symbol(handle, "pyseq_cuda_devices"));
  m.table = reinterpret_cast<TableFunction>(platform::symbol(handle, "pyseq_cuda_table"));
  if (!m.devices || !m.table) {
    m.missing = name + " is of another version of pyseq";
    return m;
  }
  char message[256] = "";
  m.count = m.devices(message, sizeof message);
  if (m.count == 0)
    m.missing = std::string("the CUDA driver finds no device") +
                (*message ? std::string(" (") + message + ")" : std::string()) +
                "; is there a GPU, and a driver for it?";
  return m;
}

const Module& module() {
  static const Module m = load();
  return m;
}

std::mutex mutex;
std::string chosen;  // "" before anybody chose

bool is_gpu(const std::string& name) { return name.rfind("cuda", 0) == 0; }

[[noreturn]] void refuse(const char* where, const std::string& name) {
  throw Error(std::string(where) + ": expected \"cpu\", \"cuda\" or \"cuda:1\", got \"" + name + "\"");
}

}  // namespace

const KernelTable& device_kernel_table(const char* name) {
  const std::string text = name;
  int index = 0;
  if (text != "cuda") {
    char* end = nullptr;
    index = text.rfind("cuda:", 0) == 0 ? static_cast<int>(std::strtol(name + 5, &end, 10)) : -1;
    if (index < 0 || !end || *end || end == name + 5)
      refuse("device", text);
  }
  const Module& m = module();
  if (index >= m.count)
    throw Error("device " + text + ": expected a GPU of that number, got " + std::to_string(m.count) +
                " devices" + (m.missing.empty() ? "" : ": " + m.missing));
  return *m.table(index, &matmul_precision);
}

bool is_device_name(const char* name) { return name && is_gpu(name); }

Device Device::named(const std::string& name) {
  if (name != "cpu" && !is_gpu(name)) refuse("device", name);
  return Device(name);
}

void set_device(const std::string& name) {
  if (is_gpu(name)) device_kernel_table(name.c_str());
  else if (name != "cpu") refuse("set_device", name);
  const std::lock_guard<std::mutex> lock(mutex);
  chosen = name;
}

std::string current_device() {
  const std::lock_guard<std::mutex> lock(mutex);
  if (!chosen.empty()) return chosen;
  const char* env = from_environment("PYSEQ_DEVICE");
  return env ? env : "cpu";
}

std::vector<DeviceInfo> list_devices() {
  std::vector<DeviceInfo> all{{"cpu", kernel_table("").isa}};
  const Module& m = module();
  for (int i = 0; i < m.count; ++i) {
    const DeviceTable& d = *m.table(i, &matmul_precision)->device;
    all.push_back({d.name, d.description});
  }
  return all;
}

}  // namespace pyseq
