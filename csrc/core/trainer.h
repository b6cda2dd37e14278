#pragma once
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/program.h"

namespace pyseq {

class Executor;

enum class Reduction : std::uint8_t { sum_over_batch_size, sum, mean_with_sample_weight };

struct LossSpec {
  std::string kind;
  Attributes attributes;
  int slot = -1;  // what it compares with the targets: an output, or its logits
  int mask = -1;  // slot of a mask, or -1
  Reduction reduction = Reduction::sum_over_batch_size;
  double weight = 1;
};

struct MetricSpec {
  std::string kind;
  Attributes attributes;
  int slot = -1;
  int mask = -1;
  bool weighted = false;  // uses the sample weights
};

// Weight regularizer: l1 sum|w| + l2 sum w^2, or Keras's OrthogonalRegularizer.
struct PenaltySpec {
  double l1 = 0, l2 = 0, orthogonal = 0;
  bool rows = true;
};

struct ConstraintSpec {
  std::string kind;  // "", "max_norm", "unit_norm", "min_max_norm", "non_neg"
  double min_value = 0, max_value = 0, rate = 1;
  std::vector<int> axes;
};

// How one trainable variable is updated.
struct ParameterSpec {
  int variable = -1;               // index in the program
  std::vector<VariablePtr> slots;  // optimizer state
  bool decay = true;               // weight decay applies to it
  VariablePtr average;             // exponential moving average, or null
  VariablePtr accumulator;         // gradient accumulation, or null
  PenaltySpec penalty;
  ConstraintSpec constraint;
  int optimizer = 0;               // index into OptimizerSpec list
};

struct OptimizerSpec {
  std::string kind;
  Attributes attributes;
  double weight_decay = 0;
  double clip_norm = 0, clip_value = 0, global_clip_norm = 0;  // 0: off
  double ema_momentum = 0;
  std::int64_t ema_overwrite_frequency = 0;  // 0: never
  std::int64_t accumulation_steps = 1;
  double loss_scale = 1;
  bool skip_non_finite = false;
};

struct TrainerSpec {
  LossSpec loss;  // kind "" for no loss
  Dims target;    // per-sample shape of the targets; a program's second input, if any, reads them
  std::vector<MetricSpec> metrics;
  std::vector<OptimizerSpec> optimizers;  // empty: evaluation only
  bool input_gradient = false;  // evaluation that also finds d loss / d input, on the host
  std::vector<ParameterSpec> parameters;
};

// Processes that train one model together, each on its share of every batch. A trainer calls it on the
// thread that called `run`, in every process in the same order; what it throws ends the run.
class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;
  // values[0, n) become their sums over the processes.
  virtual void sum(double* values, std::int64_t n) = 0;
  // Begins to do the same with a part of the gradient, which backward has completed and nobody touches
  // before `finish_sums`. row > 0: rows of so many numbers, of which most may be zero.
  virtual void start_sum(void* values, std::int64_t n, DType dtype, std::int64_t row) = 0;
  // Waits for all sums that have begun.
  virtual void finish_sums() = 0;
};

// Rows of one batch in this process, which may be none, and in all.
struct Share {
  std::int64_t own = 0, all = 0;
};

struct BatchRun {
  Rows x, y, weights;
  const std::int64_t* order = nullptr;  // row numbers, or null for 0, 1, 2, ...
  std::int64_t begin = 0, end = 0;      // positions in `order`
  std::int64_t batch_size = 32;
  std::int64_t max_batches = std::numeric_limits<std::int64_t>::max();
  double max_seconds = std::numeric_limits<double>::infinity();
  const double* learning_rates = nullptr;  // one for each optimizer and batch: [batch][optimizer]
  std::int64_t iteration = 0;              // updates done before this call
  std::uint64_t step = 0;                  // counter for random numbers
  void* predictions = nullptr;             // room for (end - begin) rows of output 0, or null
  // On the host, instead of batch_size: the shares of max_batches batches, which lie one after the other.
  // Losses, gradients and updates are those of the whole batches, totals those of the shares.
  ProcessGroup* group = nullptr;
  const Share* shares = nullptr;
};

struct Total {
  double total = 0, count = 0;
};

// A Program, a loss, an optimizer and metrics: runs whole batches, many in a call.
class Trainer {
 public:
  Trainer(ProgramPtr program, std::vector<VariablePtr> variables, TrainerSpec spec);
  ~Trainer();

  // Trains (or evaluates, without optimizers) batch after batch; returns how many batches it did:
  // fewer than asked for once max_seconds are over.
  std::int64_t run(const BatchRun& batches);

  // On a GPU: keeps these arrays there, so that runs over them need no copies; they must not change
  // until the next hold or `release`. False (and nothing is kept) if they do not fit, or on the host.
  bool hold(const Rows& x, const Rows& y, const Rows& weights, std::int64_t rows);
  void release();

  // Means over the batches since the last reset: totals[0] is the loss, then the metrics.
  const std::vector<Total>& totals() const { return totals_; }
  void reset_totals();
  // Gradients of the last step, for one parameter: same order as TrainerSpec::parameters.
  const void* gradient(std::size_t parameter) const;
  // Of the last batch's input, in the program's dtype, where the spec asks for it; null if the loss does not
  // depend on it.
  const void* input_gradient() const;
  std::size_t bytes() const;
  // Variables that ops write, such as moving statistics; empty before the first run.
  std::vector<int> written() const;
  const Program& program() const { return *program_; }
  // Microseconds spent in each op since profiling was switched on: forward, then backward.
  void profile(bool on);
  std::vector<double> profile_microseconds() const;
  std::vector<double> profile_flops() const;  // of one row

  struct State;

 private:
  ProgramPtr program_;
  std::unique_ptr<State> state_;
  std::vector<Total> totals_;
};

}  // namespace pyseq
