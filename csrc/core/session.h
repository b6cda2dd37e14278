#pragma once
// What Python asks of a Session beside rows.
#include "core/program.h"
#include "pyseq/session.h"

namespace pyseq {

// One call: n rows of the dtype of each input's slot (`slot_dtype`), and room for n rows of each output.
struct Session::Call {
  std::int64_t n;
  const void* const* inputs;
  void* const* outputs;
  bool training = false;       // random ops and batch statistics of a program lowered for training
  std::uint64_t step = 0;      // counter for random numbers
  std::int64_t first_row = 0;  // what the caller calls the first of these rows, for messages
};

}  // namespace pyseq
