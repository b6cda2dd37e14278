// What a trainer plans and books beside its executor: losses, metrics, optimizers, rows of a batch.
#include <algorithm>

#include "core/trainer_state.h"

namespace pyseq {

void Trainer::State::measure(Measure& m, const std::string& kind, const Attributes& attributes,
                             const Program& program, bool training) {
  m.name = kind;
  m.attributes = attributes;
  m.def = find_loss(*table, kind.c_str());
  if (!m.def) throw Error("compile: expected a loss or metric of this library, got `" + kind + "`");
  const std::vector<int>& inputs = program.spec().inputs;
  const auto holds = [&](int slot) {
    return std::find(inputs.begin(), inputs.end(), slot) != inputs.end() ||
           std::any_of(program.spec().ops.begin(), program.spec().ops.end(), [&](const OpSpec& op) {
             return std::find(op.outputs.begin(), op.outputs.end(), slot) != op.outputs.end();
           });
  };
  if (!holds(m.slot) || (m.mask >= 0 && !holds(m.mask)))
    throw Error("compile: expected the loss or metric " + kind + " to read a slot that some op writes, got slot " +
                std::to_string(m.slot));
  const Dims& pred = program.spec().slots.at(static_cast<std::size_t>(m.slot));
  m.state.kind = m.def->kind;
  m.state.where = "loss or metric " + kind;
  m.state.attributes = &m.attributes;
  m.state.training = training;
  m.state.inputs = {to_shape(pred, kind), to_shape(spec.target, kind), Shape{}};
  if (slot_dtype(program.spec(), m.slot) == DType::int64)
    throw Error(m.state.where + ": expected numbers of the program's dtype, got int64");
  m.state.reads_input.resize(3);
  m.state.reads_output.resize(1);
  Plan plan(m.state);
  m.def->plan(plan);
  m.state.asked_inputs.assign(3, true);
  m.state.asked_attributes.emplace_back("reduction");  // given to all losses
  if (!table->device) check_complete(m.state);
  if (m.state.outputs.size() != 1) throw Error(m.state.where + ": expected one output");
  m.rows_per_sample = m.state.outputs[0].size();
  if (const auto found = attributes.find("ignore_class"); found != attributes.end())
    if (found->second.index() > 1 || elements(spec.target) < m.rows_per_sample)
      throw Error(m.state.where + ": expected `ignore_class` to be a number, and a label for each row");
  if (m.mask >= 0) m.mask_row = elements(program.spec().slots.at(m.mask));
}

void Trainer::State::plan_measures(const Program& program) {
  if (!spec.loss.kind.empty()) {
    loss.slot = spec.loss.slot;
    loss.mask = spec.loss.mask;
    loss.weighted = true;
    // For losses over a whole batch, which know their own mean.
    Attributes attributes = spec.loss.attributes;
    if (spec.loss.reduction == Reduction::sum) attributes["reduction"] = std::string("sum");
    measure(loss, spec.loss.kind, attributes, program, differentiates());
    max_loss_rows = std::max(max_loss_rows, loss.rows_per_sample);
  }
  metrics.resize(spec.metrics.size());
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    Measure& m = metrics[i];
    m.slot = spec.metrics[i].slot;
    m.mask = spec.metrics[i].mask;
    m.weighted = spec.metrics[i].weighted;
    measure(m, spec.metrics[i].kind, spec.metrics[i].attributes, program, false);
    max_loss_rows = std::max(max_loss_rows, m.rows_per_sample);
  }
}

// Trainers come from files too: what a kernel relies on is checked here.
void Trainer::State::check_parameter(const ParameterSpec& p) const {
  const Variable& variable = *variables.at(static_cast<std::size_t>(p.variable));
  const auto rank = static_cast<int>(variable.shape().size());
  const std::string where = "variable " + std::to_string(p.variable);
  if (size_of(variable.dtype()) != real || (variable.dtype() != DType::float32 && variable.dtype() != DType::float64))
    throw Error(where + ": expected the program's dtype to train or regularize it, got " + name_of(variable.dtype()));
  if (p.penalty.orthogonal != 0 && rank != 2)
    throw Error(where + ": expected a matrix for an orthogonal regularizer, got rank " + std::to_string(rank));
  if (!trains) return;
  const auto o = static_cast<std::size_t>(p.optimizer);
  const OptimizerSpec& os = spec.optimizers.at(o);
  if (!table->device) check_slots(optimizer_states[o], variable, p.slots);
  for (const VariablePtr& v : {p.average, p.accumulator})
    if (v && (v->size() != variable.size() || v->dtype() != variable.dtype()))
      throw Error(where + ": expected its average and accumulator to be like it, got another size or dtype");
  if (os.ema_momentum > 0 && !p.average) throw Error(where + ": expected a moving average of it, got none");
  if (os.accumulation_steps > 1 && !p.accumulator) throw Error(where + ": expected an accumulator, got none");
  if (!p.constraint.kind.empty()) constraint_kind(p.constraint.kind);
  for (const int axis : p.constraint.axes)
    if (axis < 0 || axis >= rank)
      throw Error(where + ": expected axes of a constraint below " + std::to_string(rank) + ", got " +
                  std::to_string(axis));
}

void Trainer::State::plan_optimizers() {
  optimizer_states.resize(spec.optimizers.size());
  Index largest = 1;
  for (const ParameterSpec& p : spec.parameters)
    largest = std::max(largest, static_cast<Index>(variables.at(p.variable)->size()));
  partial.resize(static_cast<std::size_t>(largest / 4096 + 2));
  for (std::size_t o = 0; o < spec.optimizers.size(); ++o) {
    const OptimizerSpec& os = spec.optimizers[o];
    if (os.accumulation_steps < 1 || os.ema_overwrite_frequency < 0 || !(os.loss_scale > 0))
      throw Error("optimizer " + os.kind + ": expected 1 accumulation step or more, a frequency of 0 or more and a "
                  "loss scale above 0");
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
    plan_state.asked_inputs.assign(1, true);
    if (!table->device) check_complete(plan_state);
    std::size_t bytes = 0;
    for (const Booking& b : plan_state.scratch)
      bytes += round_up(buffer_bytes(b, 1, real, plan_state.where));
    optimizer_scratch.push_back(std::make_unique<Arena>(bytes, table->device));
  }
  for (const ParameterSpec& p : spec.parameters) check_parameter(p);
  grad_scale.assign(spec.parameters.size(), 1.0);
  resting.resize(spec.parameters.size());
  for (std::size_t i = 0; trains && !table->device && i < resting.size(); ++i) {
    const ParameterSpec& p = spec.parameters[i];
    const auto o = static_cast<std::size_t>(p.optimizer);
    const OptimizerSpec& os = spec.optimizers[o];
    if (optimizers[o]->elementwise && os.accumulation_steps == 1 && !(p.decay && os.weight_decay != 0))
      resting[i].rest = optimizer_states[o].rest;
  }
  for (std::size_t i = 0; i < spec.parameters.size(); ++i) {
    const Index n = variables.at(spec.parameters[i].variable)->size();
    for (Index b = 0; b < n; b += kUpdatePiece)
      pieces.push_back({static_cast<int>(i), b, std::min(kUpdatePiece, n - b)});
  }
}

void Trainer::State::prepare(const Program& program, std::int64_t rows, std::int64_t weight_elements) {
  ExecutorOptions options;
  options.max_rows = rows;
  options.backward = differentiates();
  options.input_gradients = spec.input_gradient;
  options.trainable.assign(variables.size(), false);
  if (trains)
    for (const ParameterSpec& p : spec.parameters) options.trainable[p.variable] = true;
  if (differentiates() && loss.def) options.seed_slots.push_back(loss.slot);
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
  gradient_parts.clear();

  weight_row = weight_elements;
  std::size_t total = 0;
  const auto book = [&](std::int64_t size) {
    const std::size_t at = total;
    total += round_up(static_cast<std::size_t>(size) * real);
    return at;
  };
  // A device's executor has room for the inputs; int64 takes more than a real.
  const std::int64_t x_words = slot_dtype(program.spec(), program.spec().inputs[0]) == DType::int64 ? 2 : 1;
  const std::size_t x_at = book(table->device ? 0 : rows * x_size * x_words), y_at = book(rows * y_size),
                    w_at = book(rows * std::max<std::int64_t>(weight_row, 1)),
                    s_at = book(rows * max_loss_rows), v_at = book(rows * max_loss_rows);
  std::size_t scratch = 0;
  const auto measure_scratch = [&](Measure& m) {
    m.scratch_bytes = 0;
    for (const Booking& b : m.state.scratch)
      m.scratch_bytes += round_up(buffer_bytes(b, static_cast<std::size_t>(rows), real, m.state.where)) +
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
      at += round_up(buffer_bytes(b, static_cast<std::size_t>(rows), real, m.state.where)) +
            own * static_cast<std::size_t>(executor->workers());
    }
  };
  if (loss.def) bind(loss);
  for (Measure& m : metrics) bind(m);
}

}  // namespace pyseq
