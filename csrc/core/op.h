#pragma once
// The contract between the core and one op. An op file is compiled once per ISA and may not
// instantiate anything of `std::`: whatever is not inlined here lives in the core.
#include <cstddef>
#include <cstdint>

#include "core/parallel.h"

namespace pyseq {

inline constexpr int kMaxRank = 8;
// Largest size of one dimension and largest attribute: two of them multiply without overflow.
inline constexpr Index kMaxSize = Index{1} << 31;
// Most elements of a value, a variable or a buffer: a few of them add up without overflow.
inline constexpr Index kMaxElements = Index{1} << 40;

// Dimensions of one sample: the batch dimension N is not part of it.
struct Shape {
  Index dim[kMaxRank] = {};
  int rank = 0;

  template <class... D>
  static PYSEQ_INLINE Shape of(D... dims) {
    return Shape{{dims...}, static_cast<int>(sizeof...(dims))};
  }

  PYSEQ_DEVICE PYSEQ_INLINE Index operator[](int i) const { return dim[i < 0 ? i + rank : i]; }
  PYSEQ_DEVICE PYSEQ_INLINE Index& operator[](int i) { return dim[i < 0 ? i + rank : i]; }
  // Product of dim[begin, end).
  PYSEQ_DEVICE PYSEQ_INLINE Index size(int begin, int end) const {
    Index s = 1;
    for (int i = begin; i < end; ++i) s *= dim[i];
    return s;
  }
  PYSEQ_DEVICE PYSEQ_INLINE Index size() const { return size(0, rank); }
  PYSEQ_DEVICE PYSEQ_INLINE void push(Index d) { dim[rank++] = d; }
};

// What an attribute may be, both ends included.
struct Range {
  Index least = -kMaxSize, most = kMaxSize;
};
constexpr Range at_least(Index least) { return {least, kMaxSize}; }
constexpr Range between(Index least, Index most) { return {least, most}; }

struct PlanState;
// Where the kernels of one program on a GPU are enqueued.
struct DeviceStream;

// What an op may ask and must declare while a program is planned. The only place that may fail:
// every function throws pyseq::Error on misuse, with the op's name in the message.
//
// Planning refuses whatever the kernels could not run on. Sizes of inputs, variables and attributes are
// bounded (kMaxSize, kMaxElements); what is multiplied from more than two of them goes through
// `product`, or is computed after `output` has found it in the program. Each input has to be asked for,
// each variable declared, and each attribute that the program gives read: what no op knows is an error.
class Plan {
 public:
  explicit Plan(PlanState& state) : state_(state) {}

  // Attributes, as lowering gave them. Without `otherwise` a missing one is an error.
  bool has(const char* name) const;
  Index integer(const char* name, Range range = {}) const;
  Index integer(const char* name, Index otherwise, Range range = {}) const;
  std::uint64_t seed() const;  // attribute `seed`, of any 64 bits
  double number(const char* name) const;
  double number(const char* name, double otherwise) const;
  bool flag(const char* name, bool otherwise = false) const;
  const char* text(const char* name, const char* otherwise = "") const;
  // Fills out[0, max) and returns how many there are; more than max is an error.
  int integers(const char* name, Index* out, int max, Range range = {}) const;
  int numbers(const char* name, double* out, int max) const;
  // Axis of a shape of `rank` dimensions, counted from the end where it is negative.
  int axis(const char* name, int rank) const;
  int axis(const char* name, int rank, Index otherwise) const;

  int inputs() const;
  Shape input(int i, int least_rank = 0, int most_rank = kMaxRank) const;
  // Variables have no batch dimension.
  int params() const;
  Shape param(int i) const;
  // Declares what variable i, called `what`, is: this shape; any shape of so many elements; whatever
  // shape of such a rank it has.
  void param(int i, const Shape& shape, const char* what) const;
  void param(int i, Index size, const char* what) const;
  Shape param(int i, const char* what, int least_rank, int most_rank = kMaxRank) const;
  bool training() const;     // false: this plan only ever runs forward

  // a b c d; an error beyond kMaxElements.
  Index product(Index a, Index b, Index c = 1, Index d = 1) const;

  // Values are `real`s, or int64 where lowering says so. An op that does not take them is an error.
  bool is_int64(int i) const;
  void takes_int64();

  // Declares the next output, which has to be the one that lowering inferred.
  void output(const Shape& shape, bool int64 = false);

  // Buffers that live from forward to backward (training plans only) / within one call, in order of
  // booking. Sizes are in `real`s: per_row * N + fixed (+ per_worker * workers, scratch only).
  int keep(Index per_row, Index fixed = 0);
  int scratch(Index per_row, Index fixed = 0, Index per_worker = 0);

  // A buffer that `pack` fills from the variables and that stays until one of them changes. Not in
  // training plans, whose variables change at every step.
  int pack(Index size);

  // What backward reads besides dy and what forward kept. Nothing unless declared.
  void backward_reads_input(int i);
  void backward_reads_output(int i);
  // Output 0 may share the memory of input 0 (and dx 0 that of dy 0): element i depends on element i.
  void in_place();
  // Output 0 *is* input 0 under another shape: forward and backward are not called at all.
  void alias();
  // The op adds to the loss (Run::loss).
  void adds_loss();
  // No gradient goes from the output to what is before it.
  void ends_gradient();
  // Forward or `after` writes variable i (moving statistics, recurrent state, an assignment).
  void writes_param(int i);
  // Work for one row: decides the number of threads.
  void flops(double forward_per_row, double backward_per_row);
  // The op is parallel over rows alone: for a single row a second thread would only wait.
  void parallel_by_rows();
  // Of an optimizer: how many slots a variable has, each of its size; every optimizer says so.
  void slots(int count);
  // A matrix has one; two are for variables of any shape.
  void slots_of_matrices();
  // One; a variable of two dimensions or more has two before it, without its last and its last but one.
  void factored_slots();
  // The gradient of variable i, a matrix, is zero in all rows but those that the batch names. See
  // Run::touched.
  void few_rows_change(int i);
  // Of an optimizer: what an update with a gradient of zero leaves as it is.
  enum class Rest { nothing, where_state_is_zero, everything };
  void rests(Rest rest);
  // The op needs all rows of a batch in one call, or is much faster so: inference is not cut.
  void whole_batch();

  [[noreturn]] void fail(const char* format, ...) const __attribute__((format(printf, 2, 3)));

  // Storage for what forward and backward need to know; T is trivially copyable.
  template <class T>
  PYSEQ_INLINE T& config() {
    static_assert(__is_trivially_copyable(T));
    T* c = static_cast<T*>(config_bytes(sizeof(T)));
    *c = T{};
    return *c;
  }

 private:
  void* config_bytes(std::size_t n);
  PlanState& state_;
};

struct Pointer {
  void* p;
  template <class T>
  PYSEQ_INLINE operator T*() const {
    return static_cast<T*>(p);
  }
  PYSEQ_INLINE explicit operator bool() const { return p != nullptr; }
};

// The processes that train together.
struct Group {
  // values[0, n) become their sums over the processes; each of them calls it.
  void (*sum)(void* context, double* values, Index n) noexcept;
  void* context;
  double share;  // of the batch's rows that are here
};

// What one call of forward or backward works on. N = n rows, outermost in every value.
struct Run {
  Index n;
  Pool* pool;
  DeviceStream* stream;  // null on the host
  const void* config_;
  void* const* x_;        // inputs
  void* const* y_;        // outputs
  void* const* dx_;       // gradient of each input, or null where none is wanted
  void* const* dy_;       // gradient of each output; null if nothing downstream wants it
  void* const* param_;    // variables
  void* const* dparam_;   // gradient of each variable, or null where it is frozen
  unsigned char* const* touched_;  // see `touched`; null where no variable has it
  void* const* kept_;
  void* const* scratch_;
  void* const* packed_;
  const Index* worker_stride_;  // bytes between the workers' parts of each scratch buffer
  double* loss;                 // only for ops that add to the loss; device memory on a GPU
  bool* fault;                  // to be set where a value has no answer, see `explain`; null on a GPU
  const Group* group;           // null where this process is alone
  std::uint64_t step;           // counts training steps: random numbers are a function of it
  std::uint32_t op;             // position of the op in the program
  bool training;                // Dropout drops, batch statistics are used

  PYSEQ_INLINE Pointer x(int i = 0) const { return {x_[i]}; }
  PYSEQ_INLINE Pointer y(int i = 0) const { return {y_[i]}; }
  PYSEQ_INLINE Pointer dx(int i = 0) const { return {dx_[i]}; }
  PYSEQ_INLINE Pointer dy(int i = 0) const { return {dy_[i]}; }
  PYSEQ_INLINE Pointer param(int i) const { return {param_[i]}; }
  PYSEQ_INLINE Pointer dparam(int i) const { return {dparam_[i]}; }
  // Of a variable of which few rows change: a byte for each row, rounded up to 8; 1 where the gradient
  // may differ from zero. Backward makes zeros of the rows of the call before, and marks its own. Null:
  // backward writes the whole gradient.
  PYSEQ_INLINE unsigned char* touched(int i) const { return touched_ ? touched_[i] : nullptr; }
  PYSEQ_INLINE Pointer kept(int i = 0) const { return {kept_[i]}; }
  PYSEQ_INLINE Pointer scratch(int i = 0) const { return {scratch_[i]}; }
  PYSEQ_INLINE Pointer packed(int i = 0) const { return {packed_[i]}; }
  // The part of scratch i that belongs to one worker alone (what per_worker booked).
  PYSEQ_INLINE Pointer scratch(int i, int worker) const {
    return {static_cast<char*>(scratch_[i]) + worker * worker_stride_[i]};
  }
  template <class T>
  PYSEQ_INLINE const T& config() const {
    return *static_cast<const T*>(config_);
  }
};

// A value that an op has no answer for: an id outside [0, limit).
struct Fault {
  Index row, limit;
  Index id;       // if whole
  double number;  // else
  bool whole;
};

// One op, loss or metric. `kind` is the file name, the key in program specs and in saved files.
//
// forward:  noexcept: no allocation, no exception, no I/O.
// backward: writes dx and dparam with `=` (the core adds up when a value or a variable is used more
//           than once); skips each that is null.
// pack:     fills the buffers that `plan` booked with Plan::pack, from the variables alone. Where Run::n is
//           0, what few calls want may be left to the first that does; else nothing is packed later.
// after:    writes variables once all else of a call is done, so that forward and backward of every op
//           see what they held before.
// explain:  finds the first value that forward set Run::fault for.
//
// A loss (csrc/losses) is an OpDef without backward. Inputs: 0 y_pred, 1 y_true, 2 scale; output 0:
// one value per loss row. Forward writes the values and, when dx(0) is not null,
// dx(0) = scale[row] * d loss[row] / d y_pred.
struct OpDef {
  const char* kind;
  void (*plan)(Plan&);
  void (*forward)(const Run&) noexcept;
  void (*backward)(const Run&) noexcept;
  void (*pack)(const Run&) noexcept = nullptr;
  void (*after)(const Run&) noexcept = nullptr;
  void (*explain)(const Run&, Fault*) noexcept = nullptr;

#ifdef PYSEQ_NO_TRAINING  // nothing keeps what only backward wants
  constexpr OpDef(const char* name, void (*p)(Plan&), void (*f)(const Run&) noexcept, void (*)(const Run&) noexcept,
                  void (*k)(const Run&) noexcept = nullptr, void (*a)(const Run&) noexcept = nullptr,
                  void (*e)(const Run&, Fault*) noexcept = nullptr)
      : kind(name), plan(p), forward(f), backward(nullptr), pack(k), after(a), explain(e) {}
#endif
};

inline constexpr int kMaxSlots = 6;

// A variable, or a piece of one, that an optimizer updates.
struct Update {
  Index n;                 // elements
  void* w;                 // the variable
  const void* g;           // its gradient
  void* slot[kMaxSlots];   // optimizer state, in the order that the Python class creates it
  Index slot_size[kMaxSlots];
  Shape shape;             // of the whole variable
  double grad_scale;       // multiply the gradient by this (clipping by norm)
  double clip;             // then clip it to [-clip, clip]; infinite for none
  double decay;            // then w -= w * decay (decoupled weight decay, times the learning rate)
  double lr;
  Index t;                 // 1 at the first update
  const void* config_;
  Pool* pool;              // null when called on pieces
  void* scratch;           // whole-variable optimizers: what `scratch` asked for

  template <class T>
  PYSEQ_INLINE const T& config() const {
    return *static_cast<const T*>(config_);
  }
};

struct OptimizerDef {
  const char* kind;
  void (*plan)(Plan&);  // reads attributes; may book scratch(0, fixed) for the largest variable
  // Elementwise: called on pieces of variables, from any worker. Otherwise: on one whole variable at
  // a time, from one thread, with a pool.
  bool elementwise;
  void (*update)(const Update&) noexcept;
};

}  // namespace pyseq
