#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

namespace pyseq {

enum class Status : std::uint8_t {
  ok,
  too_many_rows,  // more than were prepared for, or fewer than 0
  bad_value,      // an id outside its table; Session::run says which
  stale,          // weights or the precision of products have changed: prepare again
};
const char* to_text(Status status) noexcept;

// Inference in real time: planned once for calls of up to so many rows, on the thread that calls.
// `Session::prepare` makes it and takes all memory; after that `run` allocates nothing, takes no lock,
// reads no clock and makes no system call. One call at a time; any number of these may run at once, and
// those of one Session share its packed weights.
//
//     pyseq::Prepared fast = model.session().prepare(1);
//     const pyseq::Status status = fast.run(1, x, y);
class Prepared {
 public:
  Prepared(Prepared&&) noexcept;
  Prepared& operator=(Prepared&&) noexcept;
  ~Prepared();

  // inputs[i] and outputs[i] as for Session::run. Unless `ok`, what the outputs hold means nothing.
  Status run(std::int64_t n, const void* const* inputs, void* const* outputs) noexcept;
  // Of a program with one input and one output.
  Status run(std::int64_t n, const void* input, void* output) noexcept { return run(n, &input, &output); }

  std::int64_t max_rows() const noexcept;

 private:
  friend class Session;
  struct Shared;
  struct State;
  explicit Prepared(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

}  // namespace pyseq
