#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pyseq/attributes.h"
#include "pyseq/config.h"
#include "pyseq/variable.h"

namespace pyseq {

struct KernelTable;

struct OpSpec {
  std::string kind;
  std::string name;  // of the layer, for messages
  std::vector<int> inputs, outputs, params;
  Attributes attributes;
  std::int64_t fold = 1;  // leading dimension of the slots that counts as part of the batch
};

struct VariableSpec {
  std::string name;
  Dims shape;
  bool trainable = false;
};

// A straight-line program as data. Slot shapes are per sample. A slot holds numbers of the program's
// dtype, or int64.
struct ProgramSpec {
  DType dtype = DType::float32;
  bool training = false;
  std::vector<Dims> slots;
  std::vector<DType> dtypes;  // of the slots; empty where all have the program's
  std::vector<OpSpec> ops;
  std::vector<int> inputs, outputs;
  std::vector<VariableSpec> variables;
};

// Called by ops of kind "host" with n rows in and n rows out.
using HostFunction = std::function<void(std::int64_t n, const void* x, void* y)>;

// What `isa` of a Program is for this device.
const char* level_of(const Device& device);

// Immutable. Construction checks everything that can be checked without a batch size.
class Program {
 public:
  explicit Program(ProgramSpec spec, std::vector<HostFunction> host = {}, const char* isa = nullptr);
  Program(ProgramSpec spec, std::vector<HostFunction> host, const Device& device);
  ~Program();

  const ProgramSpec& spec() const { return spec_; }
  const std::vector<HostFunction>& host() const { return host_; }
  const char* isa() const;
  // One line for each op: kind, name, shapes, bytes, flops for a batch of n rows; with what
  // Trainer::profile_microseconds gave, also the times of its forward and backward.
  std::string dump(std::int64_t n, const std::vector<double>& microseconds = {}) const;

  const KernelTable& table() const { return *table_; }

 private:
  ProgramSpec spec_;
  std::vector<HostFunction> host_;
  const KernelTable* table_;
};

using ProgramPtr = std::shared_ptr<const Program>;

// Ops of an inference program put together: activations, with `norms` also normalizations by moving
// statistics (for the host: GPU ops do not fold them) and pointwise convolutions after depthwise ones.
// Slots keep their numbers. A program for training stays what it is.
ProgramSpec fused(const ProgramSpec& spec, bool norms);
// The same program on this level or device (as `isa` of Program), put together where that is the host's.
ProgramPtr inference_program(const Program& program, const char* isa);

// What a slot holds, and bytes of one row of it.
DType slot_dtype(const ProgramSpec& spec, int slot);
std::size_t slot_row_bytes(const ProgramSpec& spec, int slot);

}  // namespace pyseq
