#include "pyseq/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/executor.h"

namespace pyseq {
namespace {

constexpr Index kPiece = 16384;  // elements that one worker updates at a time

std::int64_t elements(const Dims& dims) {
  std::int64_t n = 1;
  for (const std::int64_t d : dims) n *= d;
  return n;
}

template <class From, class To>
void convert(const void* from, To* to, Index n) {
  const From* f = static_cast<const From*>(from);
  for (Index i = 0; i < n; ++i) to[i] = static_cast<To>(f[i]);
}

template <class To>
void convert(DType dtype, const void* from, To* to, Index n) {
  switch (dtype) {
    case DType::float32: return convert<float>(from, to, n);
    case DType::float64: return convert<double>(from, to, n);
    case DType::int32: return convert<std::int32_t>(from, to, n);
    case DType::int64: return convert<std::int64_t>(from, to, n);
    case DType::uint8: case DType::boolean: return convert<std::uint8_t>(from, to, n);
    case DType::int8: return convert<std::int8_t>(from, to, n);
    case DType::uint16: return convert<std::uint16_t>(from, to, n);
    case DType::int16: return convert<std::int16_t>(from, to, n);
  }
}

int constraint_kind(const std::string& kind) {
  const char* names[] = {"max_norm", "unit_norm", "min_max_norm", "non_neg"};
  for (int i = 0; i < 4; ++i)
    if (kind == names[i]) return i;
  throw Error("constraint: expected max_norm, unit_norm, min_max_norm or non_neg, got " + kind);
}

}  // namespace

// A loss or a metric: one op over a value of the program, the targets and row scales.
struct Measure {
  const OpDef* def = nullptr;
  std::string name;
  Attributes attributes;
  int slot = -1, mask = -1;
  bool weighted = false;
  PlanState state;
  std::int64_t rows_per_sample = 1;
  std::vector<void*> scratch;
  std::vector<Index> worker_stride;
  std::size_t scratch_bytes = 0;
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
  std::vector<const OptimizerDef*> optimizers;
  std::vector<PlanState> optimizer_states;
  std::vector<std::unique_ptr<Arena>> optimizer_scratch;
  std::int64_t x_size = 1, y_size = 1, max_loss_rows = 1;
  std::int64_t weight_row = 0;
  bool trains = false, profiling = false;
  void *x = nullptr, *y = nullptr, *weights = nullptr, *scale = nullptr, *values = nullptr;
  std::vector<double> partial;

  struct Piece {
    int parameter;
    Index begin, n;
  };
  std::vector<Piece> pieces;
  std::vector<double> grad_scale;

  void measure(Measure& m, const std::string& kind, const Attributes& attributes, const Program& program,
               bool training);
  void prepare(const Program& program, std::int64_t rows, std::int64_t weight_row);
  const void* gather(Pool* pool, const Rows& rows, const std::int64_t* order, std::int64_t begin,
                     std::int64_t n, void* to);
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
  void average(Pool* pool, int optimizer, std::int64_t iteration);
};

void Trainer::State::measure(Measure& m, const std::string& kind, const Attributes& attributes,
                             const Program& program, bool training) {
  m.name = kind;
  m.attributes = attributes;
  m.def = find_loss(*table, kind.c_str());
  if (!m.def) throw Error("compile: expected a loss or metric of this library, got `" + kind + "`");
  const Dims& pred = program.spec().slots.at(m.slot);
  m.state.kind = m.def->kind;
  m.state.where = "loss or metric " + kind;
  m.state.attributes = &m.attributes;
  m.state.training = training;
  m.state.inputs = {to_shape(pred, kind), to_shape(spec.target, kind), Shape{}};
  m.state.reads_input.resize(3);
  m.state.reads_output.resize(1);
  Plan plan(m.state);
  m.def->plan(plan);
  if (m.state.outputs.size() != 1) throw Error(m.state.where + ": expected one output");
  m.rows_per_sample = m.state.outputs[0].size();
}

void Trainer::State::prepare(const Program& program, std::int64_t rows, std::int64_t weight_elements) {
  ExecutorOptions options;
  options.max_rows = rows;
  options.backward = trains;
  options.trainable.assign(variables.size(), false);
  for (const ParameterSpec& p : spec.parameters) options.trainable[p.variable] = true;
  if (trains && loss.def) options.seed_slots.push_back(loss.slot);
  const auto reads = [&](const Measure& m) {
    options.loss_slots.push_back(m.slot);
    if (m.mask >= 0) options.loss_slots.push_back(m.mask);
  };
  if (loss.def) reads(loss);
  for (const Measure& m : metrics) reads(m);
  executor.reset();
  executor = std::make_unique<Executor>(program, variables, options);
  executor->profile(profiling);

  weight_row = weight_elements;
  std::size_t total = 0;
  const auto book = [&](std::int64_t size) {
    const std::size_t at = total;
    total += round_up(static_cast<std::size_t>(size) * real);
    return at;
  };
  const std::size_t x_at = book(rows * x_size), y_at = book(rows * y_size),
                    w_at = book(rows * std::max<std::int64_t>(weight_row, 1)),
                    s_at = book(rows * max_loss_rows), v_at = book(rows * max_loss_rows);
  std::size_t scratch = 0;
  const auto measure_scratch = [&](Measure& m) {
    m.scratch_bytes = 0;
    for (const Booking& b : m.state.scratch)
      m.scratch_bytes += round_up(static_cast<std::size_t>(b.per_row * rows + b.fixed) * real) +
                         round_up(static_cast<std::size_t>(b.per_worker) * real) *
                             static_cast<std::size_t>(executor->workers());
    scratch = std::max(scratch, m.scratch_bytes);
  };
  if (loss.def) measure_scratch(loss);
  for (Measure& m : metrics) measure_scratch(m);
  arena.reset();
  arena = std::make_unique<Arena>(total + scratch);
  std::byte* base = arena->data();
  x = base + x_at;
  y = base + y_at;
  weights = base + w_at;
  scale = base + s_at;
  values = base + v_at;
  const auto bind = [&](Measure& m) {
    m.scratch.clear();
    m.worker_stride.clear();
    std::byte* at = base + total;
    for (const Booking& b : m.state.scratch) {
      const std::size_t own = round_up(static_cast<std::size_t>(b.per_worker) * real);
      m.scratch.push_back(at);
      m.worker_stride.push_back(static_cast<Index>(own));
      at += round_up(static_cast<std::size_t>(b.per_row * rows + b.fixed) * real) +
            own * static_cast<std::size_t>(executor->workers());
    }
  };
  if (loss.def) bind(loss);
  for (Measure& m : metrics) bind(m);
}

const void* Trainer::State::gather(Pool* pool, const Rows& rows, const std::int64_t* order,
                                   std::int64_t begin, std::int64_t n, void* to) {
  if (!rows.data) return nullptr;
  const std::size_t width = static_cast<std::size_t>(rows.row) * size_of(rows.dtype);
  const char* from = static_cast<const char*>(rows.data);
  const bool same = (real == 4) == (rows.dtype == DType::float32) &&
                    (rows.dtype == DType::float32 || rows.dtype == DType::float64);
  if (same && !order) return from + static_cast<std::size_t>(begin) * width;
  const Index grain = std::max<Index>(1, 32768 / std::max<Index>(1, rows.row));
  parallel_for(pool, n, grain, [&](Index b, Index e, int) {
    for (Index i = b; i < e; ++i) {
      const char* row = from + static_cast<std::size_t>(order ? order[begin + i] : begin + i) * width;
      char* out = static_cast<char*>(to) + static_cast<std::size_t>(i * rows.row) * real;
      if (same)
        std::memcpy(out, row, width);
      else if (real == 4)
        convert(rows.dtype, row, reinterpret_cast<float*>(out), rows.row);
      else
        convert(rows.dtype, row, reinterpret_cast<double*>(out), rows.row);
    }
  });
  return to;
}

// scale[r] for each loss row. As a loss: what multiplies each value so that the sum is the loss.
// As a metric: plain weights, whose sum goes to *count.
template <class T>
void Trainer::State::write_scales(const Measure& m, std::int64_t n, const T* w, const T* targets,
                                  bool as_loss, double* count) {
  const std::int64_t per = m.rows_per_sample, rows = n * per;
  const T* mask = nullptr;
  std::int64_t mask_per = 0;
  if (m.mask >= 0) {
    mask = static_cast<const T*>(executor->slot(m.mask));
    mask_per = m.state.inputs[0].rank > 0 ? m.state.inputs[0][0] : 1;
    if (per % mask_per != 0) mask = nullptr;
  }
  T* s = static_cast<T*>(scale);
  const auto found = m.attributes.find("ignore_class");
  const bool ignores = as_loss && found != m.attributes.end();
  if (!w && !mask && !ignores) {
    const bool mean = as_loss && spec.loss.reduction != Reduction::sum;
    const double each = (as_loss ? spec.loss.weight : 1.0) / (mean ? static_cast<double>(rows) : 1.0);
    std::fill(s, s + rows, static_cast<T>(each));
    *count = static_cast<double>(rows);
    return;
  }
  double factor = 1;
  // A loss that leaves out a class has one label for each row.
  T ignored = 0;
  if (ignores) {
    const auto* whole = std::get_if<std::int64_t>(&found->second);
    ignored = whole ? static_cast<T>(*whole) : static_cast<T>(std::get<double>(found->second));
  }
  const auto keeps = [&](std::int64_t i, std::int64_t t) {
    const T kept = mask ? mask[i * mask_per + t * mask_per / per] : T(1);
    return ignores && targets[i * per + t] == ignored ? T(0) : kept;
  };
  if ((mask || ignores) && as_loss && spec.loss.reduction != Reduction::sum) {
    double valid = 0;
    for (std::int64_t r = 0; r < rows; ++r) valid += static_cast<double>(keeps(r / per, r % per));
    factor = static_cast<double>(rows) / (valid + 1e-7);
  }
  double sum = 0;
  const std::int64_t w_per = std::max<std::int64_t>(weight_row, 1);
  // A loss with fewer rows than the weights, such as Dice, takes their mean.
  const std::int64_t group = std::max<std::int64_t>(w_per / per, 1);
  const auto weight = [&](std::int64_t i, std::int64_t t) {
    const T* first = w + i * w_per + (w_per == 1 ? 0 : t * w_per / per);
    double total = 0;
    for (std::int64_t k = 0; k < group; ++k) total += static_cast<double>(first[k]);
    return total / static_cast<double>(group);
  };
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t i = r / per, t = r % per;
    double v = 1;
    if (w) v = weight(i, t);
    if (mask || ignores) v *= static_cast<double>(keeps(i, t)) * factor;
    sum += v;
    s[r] = static_cast<T>(v);
  }
  if (!as_loss) {
    *count = sum;
    return;
  }
  double each = spec.loss.weight;
  if (spec.loss.reduction == Reduction::sum_over_batch_size) each /= static_cast<double>(rows);
  if (spec.loss.reduction == Reduction::mean_with_sample_weight) each = sum != 0 ? each / sum : 0;
  for (std::int64_t r = 0; r < rows; ++r) s[r] = static_cast<T>(static_cast<double>(s[r]) * each);
}

// Four partial sums, so that the additions do not wait for each other; the order is fixed.
template <class T>
double Trainer::State::weighted_sum(std::int64_t rows) const {
  const T* v = static_cast<const T*>(values);
  const T* s = static_cast<const T*>(scale);
  double sum[4] = {};
  for (std::int64_t r = 0; r < rows; ++r)
    // A masked row may hold a NaN: 0 times NaN must not spoil the sum.
    if (s[r] != 0) sum[r & 3] += static_cast<double>(v[r]) * static_cast<double>(s[r]);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

template <class T>
Total Trainer::State::evaluate(Measure& m, Pool* pool, std::int64_t n, const void* targets,
                               const void* w, bool as_loss, bool gradient, std::uint64_t step) {
  Total total;
  write_scales<T>(m, n, static_cast<const T*>(as_loss || m.weighted ? w : nullptr),
                  static_cast<const T*>(targets), as_loss, &total.count);
  void* x_in[3] = {executor->slot(m.slot), const_cast<void*>(targets), scale};
  void* y_out[1] = {values};
  void* dx[3] = {gradient ? executor->gradient_of_slot(m.slot) : nullptr, nullptr, nullptr};
  Run run{};
  run.n = n;
  run.pool = pool;
  run.config_ = m.state.config.get();
  run.x_ = x_in;
  run.y_ = y_out;
  run.dx_ = dx;
  run.scratch_ = m.scratch.data();
  run.worker_stride_ = m.worker_stride.data();
  run.step = step;
  run.training = gradient;
  m.def->forward(run);
  total.total = weighted_sum<T>(n * m.rows_per_sample);
  return total;
}

double Trainer::State::penalties(Pool* pool, bool gradients) {
  double sum = 0;
  for (const ParameterSpec& p : spec.parameters) {
    const PenaltySpec& q = p.penalty;
    if (q.l1 == 0 && q.l2 == 0 && q.orthogonal == 0) continue;
    const Shape shape = to_shape(variables[p.variable]->shape(), "variable");
    sum += table->penalty(pool, q.l1, q.l2, q.orthogonal, q.rows, shape,
                          variables[p.variable]->data(),
                          gradients ? executor->gradient(p.variable) : nullptr);
  }
  return sum;
}

void Trainer::State::update_one(Pool* pool, int o, double lr, std::int64_t t, bool has_norms) {
  const OptimizerSpec& os = spec.optimizers[o];
  const OptimizerDef& def = *optimizers[o];
  const auto fill = [&](int i, Index begin, Index n) {
    const ParameterSpec& p = spec.parameters[i];
    Variable& v = *variables[p.variable];
    Update u{};
    u.n = n;
    u.w = static_cast<char*>(v.data()) + static_cast<std::size_t>(begin) * real;
    const char* g = static_cast<const char*>(p.accumulator ? p.accumulator->data()
                                                           : executor->gradient(p.variable));
    u.g = g + static_cast<std::size_t>(begin) * real;
    for (std::size_t k = 0; k < p.slots.size(); ++k) {
      const bool whole = p.slots[k]->size() == v.size();
      u.slot[k] = static_cast<char*>(p.slots[k]->data()) +
                  (whole ? static_cast<std::size_t>(begin) * real : 0);
      u.slot_size[k] = whole ? n : p.slots[k]->size();
    }
    u.shape = to_shape(v.shape(), "variable");
    u.grad_scale = (has_norms ? grad_scale[i] : 1.0) / os.loss_scale;
    if (p.accumulator) u.grad_scale /= static_cast<double>(os.accumulation_steps);
    u.clip = os.clip_value > 0 ? os.clip_value : std::numeric_limits<double>::infinity();
    u.decay = p.decay ? os.weight_decay * lr : 0.0;
    u.lr = lr;
    u.t = t;
    u.config_ = optimizer_states[o].config.get();
    u.scratch = optimizer_scratch[o]->data();
    return u;
  };
  if (def.elementwise) {
    parallel_for(pool, static_cast<Index>(pieces.size()), 1, [&](Index b, Index e, int) {
      for (Index i = b; i < e; ++i) {
        const Piece& piece = pieces[i];
        if (spec.parameters[piece.parameter].optimizer != o) continue;
        def.update(fill(piece.parameter, piece.begin, piece.n));
      }
    });
    return;
  }
  for (std::size_t i = 0; i < spec.parameters.size(); ++i) {
    if (spec.parameters[i].optimizer != o) continue;
    Update u = fill(static_cast<int>(i), 0, variables[spec.parameters[i].variable]->size());
    u.pool = pool;
    def.update(u);
  }
}

void Trainer::State::average(Pool* pool, int o, std::int64_t iteration) {
  const OptimizerSpec& os = spec.optimizers[o];
  for (const ParameterSpec& p : spec.parameters) {
    if (p.optimizer != o || !p.average) continue;
    Variable& v = *variables[p.variable];
    // The first average is the variable itself.
    const double m = iteration == 0 ? 0.0 : os.ema_momentum;
    table->blend(pool, v.data(), p.average->data(), v.size(), m, 1 - m);
    if (os.ema_overwrite_frequency > 0 && (iteration + 1) % os.ema_overwrite_frequency == 0)
      std::memcpy(v.data(), p.average->data(), v.bytes());
  }
}

void Trainer::State::update(Pool* pool, const double* lr, std::int64_t iteration) {
  for (std::size_t o = 0; o < spec.optimizers.size(); ++o) {
    const OptimizerSpec& os = spec.optimizers[o];
    const auto mine = [&](const ParameterSpec& p) { return p.optimizer == static_cast<int>(o); };
    if (os.skip_non_finite) {
      bool finite = true;
      for (const ParameterSpec& p : spec.parameters)
        if (mine(p)) finite = finite && table->all_finite(pool, executor->gradient(p.variable),
                                                          variables[p.variable]->size());
      if (!finite) continue;
    }
    std::int64_t t = iteration;
    bool updates = true;
    if (os.accumulation_steps > 1) {
      for (const ParameterSpec& p : spec.parameters)
        if (mine(p)) table->add(pool, executor->gradient(p.variable), p.accumulator->data(),
                                variables[p.variable]->size());
      updates = (iteration + 1) % os.accumulation_steps == 0;
      t = iteration / os.accumulation_steps;
    }
    // Averages and constraints follow every step, as in Keras, also those that only accumulate.
    if (updates) {
      const bool norms = os.clip_norm > 0 || os.global_clip_norm > 0;
      if (norms) {
        const double before = os.loss_scale * static_cast<double>(os.accumulation_steps);
        double all = 0;
        for (std::size_t i = 0; i < spec.parameters.size(); ++i) {
          const ParameterSpec& p = spec.parameters[i];
          if (!mine(p)) continue;
          const void* g = p.accumulator ? p.accumulator->data() : executor->gradient(p.variable);
          const Index size = variables[p.variable]->size();
          const double sum = table->sum_squares(pool, g, size, partial.data()) / (before * before);
          all += sum;
          const double norm = std::sqrt(sum);
          grad_scale[i] = os.clip_norm > 0 && norm > os.clip_norm ? os.clip_norm / norm : 1.0;
        }
        if (os.global_clip_norm > 0) {
          const double norm = std::sqrt(all);
          const double s = norm > os.global_clip_norm ? os.global_clip_norm / norm : 1.0;
          for (std::size_t i = 0; i < spec.parameters.size(); ++i)
            if (mine(spec.parameters[i])) grad_scale[i] = s;
        }
      }
      update_one(pool, static_cast<int>(o), lr[o], t + 1, norms);
      if (os.accumulation_steps > 1)
        for (const ParameterSpec& p : spec.parameters)
          if (mine(p)) std::memset(p.accumulator->data(), 0, p.accumulator->bytes());
    }
    if (os.ema_momentum > 0) average(pool, static_cast<int>(o), t);
    for (const ParameterSpec& p : spec.parameters) {
      if (!mine(p) || p.constraint.kind.empty()) continue;
      const ConstraintSpec& c = p.constraint;
      table->constrain(pool, constraint_kind(c.kind), c.min_value, c.max_value, c.rate,
                       c.axes.data(), static_cast<int>(c.axes.size()),
                       to_shape(variables[p.variable]->shape(), "variable"),
                       variables[p.variable]->data());
    }
  }
}

Trainer::Trainer(ProgramPtr program, std::vector<VariablePtr> variables, TrainerSpec spec)
    : program_(std::move(program)), state_(std::make_unique<State>()) {
  State& s = *state_;
  s.spec = std::move(spec);
  s.variables = std::move(variables);
  s.table = &program_->table();
  s.real = s.table->real_size;
  s.trains = !s.spec.optimizers.empty();
  const ProgramSpec& ps = program_->spec();
  s.x_size = elements(ps.slots[ps.inputs[0]]);
  s.y_size = elements(s.spec.target);
  if (!s.spec.loss.kind.empty()) {
    s.loss.slot = s.spec.loss.slot;
    s.loss.mask = s.spec.loss.mask;
    s.loss.weighted = true;
    // For losses over a whole batch, which know their own mean.
    Attributes attributes = s.spec.loss.attributes;
    if (s.spec.loss.reduction == Reduction::sum) attributes["reduction"] = std::string("sum");
    s.measure(s.loss, s.spec.loss.kind, attributes, *program_, s.trains);
    s.max_loss_rows = std::max(s.max_loss_rows, s.loss.rows_per_sample);
  }
  s.metrics.resize(s.spec.metrics.size());
  for (std::size_t i = 0; i < s.metrics.size(); ++i) {
    Measure& m = s.metrics[i];
    m.slot = s.spec.metrics[i].slot;
    m.mask = s.spec.metrics[i].mask;
    m.weighted = s.spec.metrics[i].weighted;
    s.measure(m, s.spec.metrics[i].kind, s.spec.metrics[i].attributes, *program_, false);
    s.max_loss_rows = std::max(s.max_loss_rows, m.rows_per_sample);
  }
  s.optimizer_states.resize(s.spec.optimizers.size());
  Index largest = 1;
  for (const ParameterSpec& p : s.spec.parameters)
    largest = std::max(largest, static_cast<Index>(s.variables.at(p.variable)->size()));
  for (std::size_t o = 0; o < s.spec.optimizers.size(); ++o) {
    const OptimizerSpec& os = s.spec.optimizers[o];
    const OptimizerDef* def = find_optimizer(*s.table, os.kind.c_str());
    if (!def) throw Error("compile: expected an optimizer of this library, got `" + os.kind + "`");
    PlanState& plan_state = s.optimizer_states[o];
    plan_state.where = "optimizer " + os.kind;
    plan_state.attributes = &os.attributes;
    Shape shape;
    shape.push(largest);
    plan_state.inputs = {shape};
    plan_state.reads_input.resize(1);
    Plan plan(plan_state);
    def->plan(plan);
    std::size_t bytes = 0;
    for (const Booking& b : plan_state.scratch)
      bytes += round_up(static_cast<std::size_t>(b.fixed + b.per_row) * s.real);
    s.optimizers.push_back(def);
    s.optimizer_scratch.push_back(std::make_unique<Arena>(bytes));
  }
  s.grad_scale.assign(s.spec.parameters.size(), 1.0);
  for (std::size_t i = 0; i < s.spec.parameters.size(); ++i) {
    const Index n = s.variables.at(s.spec.parameters[i].variable)->size();
    for (Index b = 0; b < n; b += kPiece)
      s.pieces.push_back({static_cast<int>(i), b, std::min(kPiece, n - b)});
  }
  s.partial.resize(static_cast<std::size_t>(largest / 4096 + 2));
  totals_.resize(1 + s.metrics.size());
}

Trainer::~Trainer() = default;

std::int64_t Trainer::run(const BatchRun& r) {
  State& s = *state_;
  if (r.batch_size < 1) throw Error("Trainer: expected a batch size of 1 or more");
  if (s.trains && !s.loss.def) throw Error("Trainer: expected a loss; pass one to compile");
  const std::int64_t rows = r.end - r.begin;
  if (rows <= 0) return 0;
  if (r.x.row != s.x_size)
    throw Error("Trainer: expected rows of " + std::to_string(s.x_size) + " inputs, got " +
                std::to_string(r.x.row));
  if (r.y.data && r.y.row != s.y_size)
    throw Error("Trainer: expected rows of " + std::to_string(s.y_size) + " targets, got " +
                std::to_string(r.y.row));
  const std::int64_t n_max = std::min(r.batch_size, rows);
  const std::int64_t weight_row = r.weights.data ? r.weights.row : 0;
  if (!s.executor || s.executor->max_rows() < n_max || s.executor->workers() < num_threads() ||
      s.weight_row < weight_row)
    s.prepare(*program_, std::max(n_max, s.executor ? s.executor->max_rows() : 0), weight_row);
  s.weight_row = weight_row;
  const int threads = std::min(threads_for(s.executor->work(n_max)), s.executor->workers());
  const ProgramSpec& ps = program_->spec();
  const std::size_t output_bytes = static_cast<std::size_t>(elements(ps.slots[ps.outputs[0]])) * s.real;
  std::int64_t done = 0;
  std::exception_ptr error;
  const auto started = std::chrono::steady_clock::now();
  const auto one = [&](Pool* pool, std::int64_t begin, std::int64_t n) {
    const void* x = s.gather(pool, r.x, r.order, begin, n, s.x);
    const void* y = s.gather(pool, r.y, r.order, begin, n, s.y);
    const void* w = s.gather(pool, r.weights, r.order, begin, n, s.weights);
    const std::uint64_t step = r.step + static_cast<std::uint64_t>(done);
    s.executor->forward(pool, n, &x, s.trains, step);
    error = s.executor->take_error();
    if (error) return;
    if (r.predictions)
      std::memcpy(static_cast<char*>(r.predictions) + static_cast<std::size_t>(begin - r.begin) * output_bytes,
                  s.executor->slot(ps.outputs[0]), static_cast<std::size_t>(n) * output_bytes);
    for (std::size_t i = 0; i < s.metrics.size() && y; ++i) {
      const Total t = s.real == 4 ? s.evaluate<float>(s.metrics[i], pool, n, y, w, false, false, step)
                                  : s.evaluate<double>(s.metrics[i], pool, n, y, w, false, false, step);
      totals_[i + 1].total += t.total;
      totals_[i + 1].count += t.count;
    }
    double loss = s.executor->added_loss();
    if (s.loss.def && y) {
      loss += (s.real == 4 ? s.evaluate<float>(s.loss, pool, n, y, w, true, s.trains, step)
                           : s.evaluate<double>(s.loss, pool, n, y, w, true, s.trains, step)).total;
    }
    if (s.trains) s.executor->backward(pool, n, step);
    loss += s.penalties(pool, s.trains);
    totals_[0].total += loss * static_cast<double>(n);
    totals_[0].count += static_cast<double>(n);
    if (s.trains)
      s.update(pool, r.learning_rates + done * static_cast<std::int64_t>(s.spec.optimizers.size()),
               r.iteration + done);
  };
  with_team(threads, [&](Pool* pool) {
    s.executor->begin(pool, s.trains);
    for (std::int64_t begin = r.begin; begin < r.end && done < r.max_batches; begin += r.batch_size) {
      one(pool, begin, std::min(r.batch_size, r.end - begin));
      if (error) break;
      ++done;
      if (r.max_seconds < 1e9 &&
          std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count() > r.max_seconds)
        break;
    }
    s.executor->end();
  });
  if (error) std::rethrow_exception(error);
  return done;
}

void Trainer::reset_totals() { std::fill(totals_.begin(), totals_.end(), Total{}); }

const void* Trainer::gradient(std::size_t parameter) const {
  if (!state_->executor) return nullptr;
  return state_->executor->gradient(state_->spec.parameters.at(parameter).variable);
}

std::size_t Trainer::bytes() const {
  return state_->executor ? state_->executor->bytes() + state_->arena->bytes() : 0;
}

void Trainer::profile(bool on) {
  state_->profiling = on;
  if (state_->executor) state_->executor->profile(on);
}

std::vector<double> Trainer::profile_microseconds() const {
  return state_->executor ? state_->executor->microseconds() : std::vector<double>();
}

}  // namespace pyseq
