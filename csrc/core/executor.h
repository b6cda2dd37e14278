#pragma once
#include <exception>
#include <functional>
#include <utility>
#include <memory>
#include <vector>

#include "core/memory.h"
#include "core/plan.h"
#include "core/program.h"
#include "core/team.h"

namespace pyseq {

struct ExecutorOptions {
  std::int64_t max_rows = 1;
  bool backward = false;
  std::vector<int> loss_slots;   // read when forward is over
  std::vector<int> seed_slots;   // their gradients are written before backward runs, by the loss
  bool input_gradients = false;  // of the program's inputs
  std::vector<bool> trainable;   // variables that want a gradient
  // Whose plans and packed weights to use, instead of own ones; then it computes on one thread.
  const class Executor* leader = nullptr;
  // Packs all that any call may want, so that none packs later.
  bool packs_all = false;
  int threads = 0;  // 0: num_threads()
  // Where the arena lies, `arena_bytes` at a multiple of 64; null for memory of its own.
  void* memory = nullptr;
  // Only what is planned and how much memory that takes: nothing is allocated, nothing can run.
  bool plan_only = false;
};

// How a call of many rows is cut.
struct Pieces {
  std::int64_t rows;   // of a piece; the last one may be shorter
  bool apart = false;  // each by a thread of its own, rather than one after the other by all
};

// A part of the flat gradient.
struct GradientPart {
  int completed_by;  // the op whose backward is the last to write to it; ops() for none
  std::byte* data;
  Index size, row;  // elements; row > 0: a matrix of such rows, most of them zero
};

// A program planned for a number of rows: one arena that holds all values, gradients, kept buffers
// and scratch, laid out by lifetime. One call at a time. On a GPU the arena is there, as are the
// inputs; calls only enqueue.
class Executor {
 public:
  Executor(const Program& program, const std::vector<VariablePtr>& variables,
           const ExecutorOptions& options);
  ~Executor();

  std::int64_t max_rows() const { return options_.max_rows; }
  int workers() const { return workers_; }
  // Memory that it takes, or would take; that of the arena alone.
  std::size_t bytes() const { return bytes_; }
  std::size_t arena_bytes() const { return arena_bytes_; }
  // Work of a forward (and backward) over n rows, to choose a number of threads.
  double work(std::int64_t n) const {
    return (work_per_row_ + (n > 1 ? work_by_rows_ : 0)) * static_cast<double>(n) + work_per_call_;
  }

  // Pieces of an inference of n rows, so that values stay in the caches from one op to the next and
  // threads need not wait for each other after each op. One piece where that does not pay or an op
  // wants the whole batch.
  Pieces pieces(std::int64_t n) const;
  // Whether a call like this one has run since a variable was written or the precision changed: ops
  // may pack weights when they first want them, and afterwards other executors may read those.
  bool settled(std::int64_t n) const;
  void settle(std::int64_t n);

  // The marks of a variable's rows (Run::touched), or null. Who writes elsewhere into the gradient marks
  // those rows.
  unsigned char* touched_rows(int variable) {
    std::vector<unsigned char>& marks = touched_rows_[static_cast<std::size_t>(variable)];
    return marks.empty() ? nullptr : marks.data();
  }

  // Before the first and after the last forward of a call: variables are brought here and weights
  // packed; what ops wrote is made known. `updates`: trainable variables will be written.
  void begin(Pool* pool, bool updates);
  void end();
  void forward(Pool* pool, std::int64_t n, const void* const* inputs, bool training,
               std::uint64_t step);
  void backward(Pool* pool, std::int64_t n, std::uint64_t step) { backward(pool, n, step, {}, nullptr); }
  // `done` is told of each part as soon as it is complete, in the order of `gradient_parts`.
  void backward(Pool* pool, std::int64_t n, std::uint64_t step, const std::vector<GradientPart>& parts,
                const std::function<void(const GradientPart&)>& done);
  // The flat gradient in parts of about so many bytes, in the order in which backward completes them.
  std::vector<GradientPart> gradient_parts(std::size_t bytes) const;
  // For ops that compute over all processes that train together; null where this one is alone.
  void join(const Group* group);
  // Forward, finish and end of an inference on this thread, without errors: false where a value has no
  // answer. Takes nothing from the system.
  bool run_flat(std::int64_t n, const void* const* inputs) noexcept;
  // Of the variables that are packed: when they were packed, and now.
  std::uint64_t packed_version() const { return packed_version_; }
  std::uint64_t version_of_packed() const noexcept;
  // Variables that ops write.
  std::vector<int> written() const;
  // No op writes what another packs: packed weights can be shared with others.
  bool can_lead() const;
  // When all else of a call over n rows is done: the variables that ops assign.
  void finish(Pool* pool, std::int64_t n);
  // What ops write to variables, kept before a call that may be interrupted and put back after one.
  void keep_written();
  void restore_written();
  // For messages: what the next forward's rows are in the caller's data, `first`, `first + 1`, ..., or
  // the entries of `order` from there on.
  void name_rows(std::int64_t first, const std::int64_t* order = nullptr) {
    first_row_ = first;
    row_order_ = order;
  }
  // An error in a host op, or a value without an answer; the caller rethrows it outside the team.
  std::exception_ptr take_error() { return std::exchange(error_, nullptr); }

  // On a GPU: room for program input i.
  void* input(int i) const { return inputs_[i]; }
  void* slot(int s) const { return slot_pointer_[s]; }
  // On the host: lets the next forwards write program output i to memory of the caller's, or to
  // this executor's again if that is null. False, and nothing done, where it cannot.
  bool place_output(std::size_t i, void* to);
  void* gradient_of_slot(int s) const { return slot_gradient_[s]; }
  // Gradient of variable v, or null.
  void* gradient(int v) const { return variable_gradient_[v]; }
  // Sum of what ops added to the loss in the last forward; on a GPU one number an op instead.
  double added_loss() const;
  const double* device_losses() const { return device_losses_; }
  int ops() const;
  DeviceStream* stream() const { return stream_; }

  void profile(bool on);
  const std::vector<double>& microseconds() const { return microseconds_; }
  // Of one row in the same order, as ops declare them.
  std::vector<double> flops() const;

 private:
  struct Node;
  struct Layout;

  void plan_ops();
  void find_gradients();
  void find_sums();

  bool shares_forward(int op, const std::vector<std::vector<int>>& sharing) const;
  void share_forward_memory();
  int backward_time(int op) const;
  void lay_out();
  void book_values(Layout& layout) const;
  void book_buffers(Layout& layout);
  void allocate_arena(const Layout& layout);
  void allocate_gradients();
  void allocate_packed();
  void bind_touched();
  void point_slots(const Layout& layout);
  void point_buffers(const Layout& layout);

  void bind();
  void bind_variables();
  void find_placeable();
  void list_steps();
  void point_inputs(const void* const* inputs) noexcept {
    for (const Place& place : places_) *place.pointer = const_cast<void*>(inputs[place.input]);
  }

  void call(Node& node, Pool* pool, bool backward);
  void add(Pool* pool, const void* src, void* dst, Index n);
  void pack(Pool* pool);

  void complain(Node& node);

  std::vector<std::vector<std::byte>> written_;  // one for each variable that an op writes
  std::int64_t first_row_ = 0;
  const std::int64_t* row_order_ = nullptr;
  const Program& program_;
  const KernelTable& table_;
  ExecutorOptions options_;
  int workers_;
  std::size_t real_;
  const DeviceTable* device_;
  DeviceStream* stream_ = nullptr;
  std::vector<VariablePtr> variables_;
  std::vector<void*> variable_data_;
  std::vector<Node> nodes_;
  std::vector<std::vector<int>> readers_;   // ops that read each slot
  std::vector<int> producer_;               // op that writes each slot, or -1
  std::vector<int> buffer_;                 // slots of one buffer share memory
  std::vector<int> external_;               // input number behind each buffer, or -1
  std::vector<bool> needs_gradient_;        // of each slot
  std::vector<bool> has_gradient_;
  std::vector<int> first_writer_;           // op that writes a slot's gradient first; P for the loss
  std::vector<int> gradient_buffer_;
  std::vector<void*> inputs_;
  std::unique_ptr<Arena> arena_, gradients_, packed_;
  std::size_t bytes_ = 0, arena_bytes_ = 0;  // of these three; of the arena
  std::vector<std::vector<unsigned char>> touched_rows_;  // by variable, see Run::touched
  std::uint64_t packed_version_ = 0;  // of all variables that packing ops read
  double* device_losses_ = nullptr;
  std::vector<void*> slot_pointer_, slot_gradient_, variable_gradient_;
  // Where each program output's memory is named, and where it is when the caller gives none.
  struct Placeable {
    std::vector<void**> names;
    void* own = nullptr;
  };
  std::vector<Placeable> placeable_;
  // Every pointer that is where one of the program's inputs is.
  struct Place {
    void** pointer;
    int input;
  };
  std::vector<Place> places_;
  // What an inference does, in order.
  struct Step {
    void (*call)(const Run&) noexcept;
    Run* run;
    Index fold;
  };
  std::vector<Step> steps_;
  std::vector<Node*> faulty_;           // steps that may meet a value without an answer
  std::vector<Variable*> written_variables_;
  std::vector<const Variable*> packed_variables_;
  double work_per_row_ = 0, work_by_rows_ = 0;  // by_rows: of ops that one row keeps on one thread
  double work_per_call_ = 0;
  std::vector<double> moved_;  // bytes of one row that each op reads and writes
  double variable_bytes_ = 0;
  double product_flops_ = 0;  // of one row, in ops that use all of their variables
  bool whole_batch_ = false;
  std::vector<std::int64_t> settled_;  // numbers of rows
  int settled_precision_ = 0;
  std::exception_ptr error_;
  bool profile_ = false;
  std::vector<double> microseconds_;
};

}  // namespace pyseq
