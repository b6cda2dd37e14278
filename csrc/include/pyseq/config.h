#pragma once
#include <atomic>
#include <string>
#include <utility>
#include <vector>

namespace pyseq {

// Threads for calls made after it; 0 for the default: OMP_NUM_THREADS, else the CPUs that this
// process may use (affinity and cgroup quota).
void set_num_threads(int n);
int num_threads();

// Lets long calls on the host be ended. `begin` and `end` are called around each on the thread that
// made it, `stop` in between some times a second; where it returns true the call throws Interrupted
// within some milliseconds. Any of them may be null.
struct Interruption {
  void (*begin)() = nullptr;
  bool (*stop)() = nullptr;
  void (*end)() = nullptr;
};
void set_interruption(const Interruption& interruption);

// What `begin` and `end` may do: from one to the other, Ctrl-C sets `arrived`, then calls the handler that the
// program has for it. False, and nothing is watched: it has none. One at a time.
bool watch_interrupts(std::atomic<bool>& arrived);
void unwatch_interrupts();

// "highest" (float32-accurate), "high", "medium": how matrix products split float32 where the CPU
// has AMX; elsewhere they are the same.
void set_matmul_precision(const std::string& name);
std::string matmul_precision_name();

// Where a program runs. Whether there is such a device shows when a program is made for it.
class Device {
 public:
  static Device cpu() { return Device("cpu"); }
  static Device cuda(int index = 0) { return Device("cuda:" + std::to_string(index)); }
  const std::string& name() const { return name_; }

 private:
  explicit Device(std::string name) : name_(std::move(name)) {}
  std::string name_;
};

// Where programs made from now on run unless told otherwise: "cpu", "cuda" (the first GPU), "cuda:1",
// ... PYSEQ_DEVICE gives the first value. Throws Error, saying what is missing, if there is no such
// device.
void set_device(const std::string& name);
std::string current_device();
struct DeviceInfo {
  std::string name, description;
};
std::vector<DeviceInfo> list_devices();

// Floating point operations a second of one core on registers alone, the best of a few short tries:
// what kernels are measured against.
double peak_flops();

// Levels built into this library that this CPU can run, best last: "base", "avx2", ...
std::vector<std::string> available_isas();
std::vector<std::string> built_isas();
// The level that a new Program uses: PYSEQ_ISA if set (throws Error if it cannot run here).
std::string current_isa();

}  // namespace pyseq
