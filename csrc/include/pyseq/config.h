#pragma once
#include <string>
#include <utility>
#include <vector>

namespace pyseq {

// From now on the environment decides where the program says nothing: OMP_NUM_THREADS, PYSEQ_ISA (the level of
// kernels), PYSEQ_DEVICE. A program that does not call it is not changed by them.
void use_environment();

// Threads for calls made after it; 0 for the default: the CPUs that this process may use (affinity and
// cgroup quota).
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

// "highest" (float32-accurate), "high", "medium": how matrix products split float32 where the CPU
// has AMX; elsewhere they are the same.
void set_matmul_precision(const std::string& name);
std::string matmul_precision_name();

// Where a model runs. Whether there is such a device shows when a Session is made for it.
class Device {
 public:
  static Device cpu() { return Device("cpu"); }
  static Device cuda(int index = 0) { return Device("cuda:" + std::to_string(index)); }
  // "cpu", "cuda" (the first GPU), "cuda:1", ... Throws Error for other names.
  static Device named(const std::string& name);
  const std::string& name() const { return name_; }

 private:
  explicit Device(std::string name) : name_(std::move(name)) {}
  std::string name_;
};

// Where models loaded or made from now on run unless told otherwise: "cpu", "cuda" (the first GPU), "cuda:1",
// ... Throws Error, saying what is missing, if there is no such device.
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
// The level that a new model uses: the best, or PYSEQ_ISA after `use_environment` (throws Error if it cannot run here).
std::string current_isa();

}  // namespace pyseq
