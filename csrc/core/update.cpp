#include <limits>

#include "core/trainer_state.h"

namespace pyseq {

int constraint_kind(const std::string& kind) {
  const char* names[] = {"max_norm", "unit_norm", "min_max_norm", "non_neg"};
  for (int i = 0; i < 4; ++i)
    if (kind == names[i]) return i;
  throw Error("constraint: expected max_norm, unit_norm, min_max_norm or non_neg, got " + kind);
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

}  // namespace pyseq
