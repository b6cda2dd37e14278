#pragma once
// What layers are lowered with when a model is built in C++: one graph that becomes two programs, for inference
// and for training, over the same variables, and Keras's description of it.
#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/training.h"
#include "pyseq/sequential.h"

namespace pyseq {

// The arguments of one layer: each is asked for once, with what it has to be; what nobody asked for is an error.
// What was given becomes the layer's configuration.
class Arguments {
 public:
  Arguments(std::string where, const Attributes& given) : where_(std::move(where)), given_(given) {}

  bool has(const char* name) const { return given_.count(name) != 0; }
  std::int64_t integer(const char* name, std::int64_t least);  // it has to be given
  std::int64_t integer(const char* name, std::int64_t otherwise, std::int64_t least);
  double number(const char* name);
  double number(const char* name, double otherwise);
  bool flag(const char* name, bool otherwise);
  std::string text(const char* name, const std::string& otherwise);
  // One size for each of so many axes; one number stands for all.
  Dims sizes(const char* name, std::size_t axes);
  Dims sizes(const char* name, std::size_t axes, std::int64_t otherwise);
  // Any number of them.
  Dims integers(const char* name);
  bool holds_numbers(const char* name) const;  // a list of floats
  std::vector<double> numbers(const char* name);
  // Before and after each axis: one number for all, one for each axis, or two for each.
  void margins(const char* name, std::size_t axes, Dims* before, Dims* after);
  void finish() const;  // throws Error for what is not known

  [[noreturn]] void fail(const std::string& text) const;
  const std::string& where() const { return where_; }
  // What was given, as JSON with the types that Keras has.
  Json::Object config;

 private:
  const Attribute* find(const char* name);
  std::string where_;
  const Attributes& given_;
  std::vector<std::string> known_;
};

struct Sequential::State {
  enum class When : std::uint8_t { always, training };
  struct Store {
    std::string path;
    std::vector<VariablePtr> variables;
  };

  std::string name;
  std::uint64_t seed = 0, draws = 0;
  ProgramSpec inference, training;
  int inference_slot = 0, training_slot = 0;
  Dims shape;
  Json::Object input;             // Keras's description of the input
  Json::Array layers;             // and of the layers
  std::vector<VariablePtr> variables;  // those of both programs
  std::vector<PenaltySpec> penalties;  // one for each
  std::vector<Store> stored;           // weights under Keras's paths
  std::map<std::string, int> counts;   // of layers of a class
  std::string layer, path;             // of the one being added: its name, where its weights lie in files

  std::size_t rank() const { return shape.size(); }

  // A variable by an initializer's name, which may be an argument of the layer.
  int weight(const Dims& dims, const char* called, bool trainable, const std::string& initializer,
             const PenaltySpec& penalty = {});
  int constant(double value, const char* called);
  // Appends an op to what there is; its output's shape is what the op says. `inferring` and
  // `trains` are attributes for one of the programs.
  void op(const char* kind, const Attributes& attributes, const std::vector<int>& params = {},
          When when = When::always, const Attributes& inferring = {}, const Attributes& trains = {});
  // The variables from `first` on are the layer's, below its path.
  void store(const std::string& below, std::size_t first);
  // Another op on an earlier slot of both programs, as for the second half of a Bidirectional.
  struct Place {
    int inference, training;
    Dims shape;
  };
  Place here() const { return {inference_slot, training_slot, shape}; }
  void go_to(const Place& place);
  void concat(const Place& first);  // what is here behind the first, over the last axis
  void activation(const std::string& kind);
  // Whether ops apply it themselves; softmax and its like are ops of their own.
  static bool fuses(const std::string& activation);
  void append(ProgramSpec& program, int& at, OpSpec spec);
  std::int64_t next_seed();
};

// Attributes `activation` and, where it has any, `activation_args` of a kernel.
void set_activation(Attributes& attributes, const std::string& name);

// Lowers a layer by its class; false for an unknown one. Weights go to `state.stored`.
bool lower_layer(const std::string& kind, Sequential::State& state, Arguments& arguments);
std::string snake_case(const std::string& name);

}  // namespace pyseq
