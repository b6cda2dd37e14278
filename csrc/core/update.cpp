#include <limits>
#include <utility>

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

namespace {

std::uint64_t version_of_state(const ParameterSpec& p) {
  std::uint64_t version = 1;
  for (const VariablePtr& v : p.slots) version += v->version();
  return version;
}

bool all_zero(const void* p, std::size_t bytes) {
  const char* at = static_cast<const char*>(p);
  return bytes == 0 || (at[0] == 0 && std::memcmp(at, at + 1, bytes - 1) == 0);
}

// A run of marked rows with gaps so small that an update of its own for each part would cost more: it
// begins at the first mark from `row` on, and is empty at `end`.
struct MarkedRows {
  std::size_t begin, end;

  MarkedRows(const unsigned char* marks, std::size_t row, std::size_t last, std::size_t gap) {
    const auto find = [&](std::size_t from, int value) {
      const void* found = from < last ? std::memchr(marks + from, value, last - from) : nullptr;
      return found ? static_cast<std::size_t>(static_cast<const unsigned char*>(found) - marks) : last;
    };
    begin = find(row, 1);
    end = find(begin, 0);
    for (std::size_t next = find(end, 1); next < last && next - end <= gap; next = find(end, 1))
      end = find(next, 0);
  }
};

}  // namespace

// The rows of a parameter that its update has to visit, marked by 1; null for all.
const unsigned char* Trainer::State::live_rows(int parameter, double lr, double scale) {
  RestingRows& r = resting[static_cast<std::size_t>(parameter)];
  const ParameterSpec& p = spec.parameters[static_cast<std::size_t>(parameter)];
  unsigned char* touched =
      r.rest == Plan::Rest::nothing ? nullptr : executor->touched_rows(p.variable);
  if (!touched) return nullptr;
  const Variable& v = *variables[p.variable];
  const auto rows = static_cast<std::size_t>(v.shape()[0]);
  const bool penalized = p.penalty.l1 != 0 || p.penalty.l2 != 0 || p.penalty.orthogonal != 0;
  if (penalized || group || !std::isfinite(lr) || !std::isfinite(scale)) {
    std::memset(touched, 1, rows);
    r.version = 0;
    return nullptr;
  }
  if (r.rest == Plan::Rest::everything) return touched;
  if (r.version != version_of_state(p)) {
    const std::size_t row = static_cast<std::size_t>(v.shape()[1]) * real;
    r.live.assign(rows, 0);
    for (const VariablePtr& slot : p.slots)
      for (std::size_t i = 0; i < rows; ++i)
        if (!all_zero(static_cast<const char*>(std::as_const(*slot).data()) + i * row, row)) r.live[i] = 1;
  }
  for (std::size_t i = 0; i < rows; ++i) r.live[i] |= touched[i];
  return r.live.data();
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
    for (std::size_t i = 0; i < spec.parameters.size(); ++i)
      if (spec.parameters[i].optimizer == o)
        resting[i].now = live_rows(static_cast<int>(i), lr, has_norms ? grad_scale[i] : 1.0);
    parallel_for(pool, static_cast<Index>(pieces.size()), 1, [&](Index b, Index e, int) {
      for (Index i = b; i < e; ++i) {
        const Piece& piece = pieces[i];
        if (spec.parameters[piece.parameter].optimizer != o) continue;
        const unsigned char* live = resting[static_cast<std::size_t>(piece.parameter)].now;
        if (!live) {
          def.update(fill(piece.parameter, piece.begin, piece.n));
          continue;
        }
        constexpr Index kGap = 128;  // elements that are updated as fast as another call begins
        // Whole vectors, as without rests: the compiler may round parts of one in another way.
        constexpr Index kWhole = 64;
        const Index row = variables[spec.parameters[piece.parameter].variable]->shape()[1];
        const Index last = piece.begin + piece.n;
        for (Index at = piece.begin; at < last;) {
          const MarkedRows marked(live, static_cast<std::size_t>(at / row),
                                  static_cast<std::size_t>((last + row - 1) / row),
                                  static_cast<std::size_t>(kGap / row));
          const auto place = [&](std::size_t r) { return static_cast<Index>(r) * row - piece.begin; };
          const Index begin = std::max(at, piece.begin + place(marked.begin) / kWhole * kWhole);
          const Index end = piece.begin + (place(marked.end) + kWhole - 1) / kWhole * kWhole;
          at = std::min(last, end);
          if (begin < at) def.update(fill(piece.parameter, begin, at - begin));
        }
      }
    });
    for (std::size_t i = 0; i < spec.parameters.size(); ++i)
      if (resting[i].now && spec.parameters[i].optimizer == o)
        resting[i].version = version_of_state(spec.parameters[i]);
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
