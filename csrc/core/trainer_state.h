#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "core/executor.h"
#include "core/trainer.h"

namespace pyseq {

inline constexpr Index kUpdatePiece = 16384;  // elements that one worker updates at a time

// A loss or a metric: one op over a value of the program, the targets and row scales.
struct Measure {
  const OpDef* def = nullptr;
  std::string name;
  Attributes attributes;
  int slot = -1, mask = -1;
  bool weighted = false;
  PlanState state;
  std::int64_t rows_per_sample = 1, mask_row = 1;
  std::vector<void*> scratch;
  std::vector<Index> worker_stride;
  std::size_t scratch_bytes = 0;
};

// What a trainer keeps on a GPU: the run's data and the captured steps.
struct DeviceRun;
struct DeviceRunDeleter {
  void operator()(DeviceRun*) const;
};

struct Trainer::State {
  TrainerSpec spec;
  std::vector<VariablePtr> variables;
  const KernelTable* table = nullptr;
  std::size_t real = 4;
  std::unique_ptr<Executor> executor;
  std::unique_ptr<Arena> arena;  // targets, weights, scales, values of losses and metrics
  Measure loss;
  std::vector<Measure> metrics;
  std::vector<const OptimizerDef*> optimizers;  // on the host
  std::vector<const DeviceOptimizerDef*> device_optimizers;
  std::unique_ptr<DeviceRun, DeviceRunDeleter> device;
  std::vector<PlanState> optimizer_states;
  std::vector<std::unique_ptr<Arena>> optimizer_scratch;
  std::int64_t x_size = 1, y_size = 1, max_loss_rows = 1;
  std::int64_t weight_row = 0;
  bool trains = false, profiling = false;
  bool differentiates() const { return trains || spec.input_gradient; }
  void *x = nullptr, *y = nullptr, *weights = nullptr, *scale = nullptr, *values = nullptr;
  std::vector<double> partial;

  struct Piece {
    int parameter;
    Index begin, n;
  };
  std::vector<Piece> pieces;
  // Rows of a variable that an update may leave out: nothing would change there.
  struct RestingRows {
    Plan::Rest rest = Plan::Rest::nothing;
    std::vector<unsigned char> live;   // 1: the optimizer's state of the row may differ from zero
    std::uint64_t version = 0;         // of that state, when `live` was right; 0: never
    const unsigned char* now = nullptr;  // rows of this update; null: all
  };
  std::vector<RestingRows> resting;  // by parameter
  std::vector<double> grad_scale;
  std::vector<GradientPart> gradient_parts;  // for processes that train together
  ProcessGroup* group = nullptr;             // of the run
  Share share;                               // of the batch
  std::exception_ptr group_error;            // of a sum that an op asked for
  std::unique_ptr<Executor> abandoned;       // by a run that failed; sums may still be written into it

  void measure(Measure& m, const std::string& kind, const Attributes& attributes, const Program& program,
               bool training);
  void plan_measures(const Program& program);
  void plan_optimizers();
  void check_parameter(const ParameterSpec& p) const;
  void prepare(const Program& program, std::int64_t rows, std::int64_t weight_row);
  const void* gather(Pool* pool, const Rows& rows, const std::int64_t* order, std::int64_t begin,
                     std::int64_t n, void* to, DType dtype);
  template <class T>
  void write_scales(const Measure& m, std::int64_t n, const T* weights, const T* targets, bool as_loss,
                    double* count);
  template <class T>
  double weighted_sum(std::int64_t rows) const;
  template <class T>
  Total evaluate(Measure& m, Pool* pool, std::int64_t n, const void* targets, const void* weights,
                 bool as_loss, bool gradient, std::uint64_t step);
  double penalties(Pool* pool, bool gradients);
  void update(Pool* pool, const double* learning_rates, std::int64_t iteration);
  void update_one(Pool* pool, int optimizer, double lr, std::int64_t t, bool clip_globally);
  const unsigned char* live_rows(int parameter, double lr, double scale);
  void average(Pool* pool, int optimizer, std::int64_t iteration);

  // Rows [begin, begin + n) as batch number `batch` of the run. Returns what a host op or another process
  // threw, or an interruption, and then nothing was updated.
  std::exception_ptr step_on_host(Pool* pool, const Program& program, const BatchRun& r, std::int64_t batch,
                                  std::int64_t begin, std::int64_t n, std::vector<Total>& totals);
  void backward_together(Pool* pool, std::int64_t n, std::uint64_t step);
  void sum_for_op(double* values, Index n) noexcept;
  std::int64_t run_on_host(const Program& program, const BatchRun& r, std::vector<Total>& totals);
  std::int64_t run_on_device(const Program& program, const BatchRun& r, std::vector<Total>& totals);
  void forget_device_steps();  // they point into the executor and the arena
};

int constraint_kind(const std::string& kind);

}  // namespace pyseq
