#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "pyseq/prepared.h"
#include "pyseq/variable.h"

namespace pyseq {

class Model;

// A model of sequences, fed as they come: `steps` time steps of `rows` sequences in, what the model says
// of them out; states are kept from call to call. All steps together give the bits of the whole sequence
// at once (a recurrent layer inside TimeDistributed: up to rounding). A call takes nothing from the system
// (see Prepared).
//
//     pyseq::Stream stream = model.stream();
//     while (next(x)) stream.run(x, y);
//
// Works step by step: Dense and other layers on each step alone, LSTM, GRU and SimpleRNN (not backwards),
// Conv1D with padding="causal", pooling and upsampling over time by factors that divide `steps`,
// TimeDistributed. A layer after a recurrent one without return_sequences sees the newest state.
class Stream {
 public:
  // Throws Error, with the layer's name, where a layer does not work step by step.
  Stream(const Model& model, std::int64_t rows = 1, std::int64_t steps = 1);

  // x (rows, steps, ...)  y (rows, output_steps, ...), or (rows, ...) where the model gives one value for a
  // sequence: that of what has come so far.
  Status run(const void* x, void* y) noexcept { return prepared_.run(rows_, x, y); }

  std::int64_t rows() const noexcept { return rows_; }
  std::int64_t steps() const noexcept { return steps_; }
  // Of a call's y; 0 where it has no time steps.
  std::int64_t output_steps() const noexcept { return output_steps_; }
  // Of a row of x and of y, and what their numbers are.
  const std::vector<std::int64_t>& input_shape() const noexcept { return input_shape_; }
  const std::vector<std::int64_t>& output_shape() const noexcept { return output_shape_; }
  DType input_dtype() const noexcept { return input_dtype_; }
  DType output_dtype() const noexcept { return output_dtype_; }

  // The next step is the first.
  void reset() noexcept;
  // The states as bytes; to and from memory of `state_bytes()`.
  std::size_t state_bytes() const noexcept;
  void save(void* to) const noexcept;
  void restore(const void* from) noexcept;

 private:
  struct Plan;
  Stream(const Model& model, Plan plan);
  std::int64_t rows_, steps_, output_steps_;
  std::vector<std::int64_t> input_shape_, output_shape_;
  DType input_dtype_, output_dtype_;
  std::vector<VariablePtr> states_;
  Prepared prepared_;
};

}  // namespace pyseq
