#include "pyseq/trainer.h"

#include <chrono>

#include "core/trainer_state.h"

namespace pyseq {

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
  if (m.mask >= 0) m.mask_row = elements(program.spec().slots.at(m.mask));
}

void Trainer::State::plan_optimizers() {
  optimizer_states.resize(spec.optimizers.size());
  Index largest = 1;
  for (const ParameterSpec& p : spec.parameters)
    largest = std::max(largest, static_cast<Index>(variables.at(p.variable)->size()));
  partial.resize(static_cast<std::size_t>(largest / 4096 + 2));
  for (std::size_t o = 0; o < spec.optimizers.size(); ++o) {
    const OptimizerSpec& os = spec.optimizers[o];
    const auto known = [&](const auto* def) {
      if (def) return def;
      throw Error("compile: expected an optimizer of this library, got `" + os.kind + "`" +
                  (table->device ? std::string(" (on ") + table->isa + ")" : std::string()));
    };
    void (*plan_of)(Plan&);
    if (table->device) {
      device_optimizers.push_back(known(find_optimizer(*table->device, os.kind.c_str())));
      plan_of = device_optimizers.back()->plan;
    } else {
      optimizers.push_back(known(find_optimizer(*table, os.kind.c_str())));
      plan_of = optimizers.back()->plan;
    }
    PlanState& plan_state = optimizer_states[o];
    plan_state.where = "optimizer " + os.kind;
    plan_state.attributes = &os.attributes;
    Shape shape;
    shape.push(largest);
    plan_state.inputs = {shape};
    plan_state.reads_input.resize(1);
    Plan plan(plan_state);
    plan_of(plan);
    std::size_t bytes = 0;
    for (const Booking& b : plan_state.scratch)
      bytes += round_up(static_cast<std::size_t>(b.fixed + b.per_row) * real);
    optimizer_scratch.push_back(std::make_unique<Arena>(bytes, table->device));
  }
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
  forget_device_steps();
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
  // A device's executor has room for the inputs.
  const std::size_t x_at = book(table->device ? 0 : rows * x_size), y_at = book(rows * y_size),
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
  arena = std::make_unique<Arena>(total + scratch, table->device);
  std::byte* base = arena->data();
  x = table->device ? executor->input(0) : base + x_at;
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
  if (ps.inputs.size() > 2 ||
      (ps.inputs.size() == 2 && elements(ps.slots[ps.inputs[1]]) != s.y_size))
    throw Error("Trainer: expected a program with one input, or with the targets of " +
                std::to_string(s.y_size) + " numbers per sample as a second one");
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
  s.plan_optimizers();
  s.grad_scale.assign(s.spec.parameters.size(), 1.0);
  for (std::size_t i = 0; i < s.spec.parameters.size(); ++i) {
    const Index n = s.variables.at(s.spec.parameters[i].variable)->size();
    for (Index b = 0; b < n; b += kUpdatePiece)
      s.pieces.push_back({static_cast<int>(i), b, std::min(kUpdatePiece, n - b)});
  }
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
  if (!r.y.data && program_->spec().inputs.size() == 2)
    throw Error("Trainer: expected targets, which the program reads, got none");
  const std::int64_t n_max = std::min(r.batch_size, rows);
  const std::int64_t weight_row = r.weights.data ? r.weights.row : 0;
  if (!s.executor || s.executor->max_rows() < n_max || s.executor->workers() < num_threads() ||
      s.weight_row < weight_row) {
    const std::int64_t room = std::max(n_max, s.executor ? s.executor->max_rows() : 0);
    const auto prepare = [&] {
      try {
        s.prepare(*program_, room, weight_row);
      } catch (...) {
        s.executor.reset();  // a smaller batch may fit
        throw;
      }
    };
    try {
      prepare();
    } catch (const OutOfMemory&) {
      release();  // what `hold` keeps on the device may be in the way
      prepare();
    }
  }
  s.weight_row = weight_row;
  if (s.table->device) return s.run_on_device(*program_, r, totals_);
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
    const void* const inputs[] = {x, y};
    s.executor->forward(pool, n, inputs, s.trains, step);
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

std::vector<double> Trainer::profile_flops() const {
  return state_->executor ? state_->executor->flops() : std::vector<double>();
}

std::vector<double> Trainer::profile_microseconds() const {
  return state_->executor ? state_->executor->microseconds() : std::vector<double>();
}

}  // namespace pyseq
