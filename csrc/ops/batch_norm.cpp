// y = (x - mean) / sqrt(var + eps) gamma + beta    x (N, ..., C)  y (N, ..., C)
//
// mean and var (biased) of the batch while training, the moving ones otherwise; Ioffe & Szegedy,
// 2015. mask (N, ...) or (N, ..., C): rows or elements where it is 0 do not count in the statistics.
// synchronized: of the batch in all processes that train together, not of this one's share.
// renorm: y is corrected by r = stddev / renorm_stddev and d = (mean - renorm_mean) / renorm_stddev,
// which count as constants (Ioffe, "Batch Renormalization", 2017).
//
// Variables: [gamma] [beta] moving_mean moving_variance [moving_stddev renorm_mean renorm_stddev]
#include "core/op.h"
#include "kernels/columns.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index outer, c, group, wide;  // rows of a sample; channels; rows taken together; group * c
  double epsilon, momentum, renorm_momentum, rmin, rmax, dmax;
  int gamma, beta, moving;  // number of the variable, -1 for none
  bool batch, masked, by_element, renorm, synchronized;
  int parts, worker, coefficients, sums;  // scratch
};

// Offsets into the kept buffer, in C: what backward needs of the forward pass.
enum { kMean, kInv, kR, kD, kKept };

PYSEQ_INLINE double root(double v) { return __builtin_sqrt(v); }

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0, 1);
  c.c = x[-1];
  c.outer = x.size(0, x.rank - 1);
  c.masked = p.inputs() > 1;
  if (c.masked) {
    const Index size = p.input(1).size();
    c.by_element = c.c > 1 && size == c.outer * c.c;
    if (size != c.outer && !c.by_element)
      p.fail("expected a mask of %lld or %lld elements, got %lld", static_cast<long long>(c.outer),
             static_cast<long long>(c.outer * c.c), static_cast<long long>(size));
  }
  c.group = c.masked ? 1 : rows_together(c.c);
  c.wide = c.group * c.c;
  c.epsilon = p.number("epsilon");
  c.momentum = p.number("momentum", 0.99);
  c.batch = p.flag("batch_statistics");
  c.renorm = p.flag("renorm");
  c.synchronized = p.flag("synchronized");
  c.renorm_momentum = p.number("renorm_momentum", 0.99);
  const double infinite = __builtin_inf();
  c.rmin = p.number("rmin", -infinite);
  c.rmax = p.number("rmax", infinite);
  c.dmax = p.number("dmax", infinite);
  int next = 0;
  c.gamma = p.flag("scale", true) ? next++ : -1;
  c.beta = p.flag("center", true) ? next++ : -1;
  c.moving = next;
  next += c.renorm && c.batch ? 5 : 2;
  for (int i = 0; i < next; ++i) p.param(i, c.c, "a variable");
  if (c.batch)
    for (int i = c.moving; i < next; ++i) p.writes_param(i);
  p.output(x);
  p.backward_reads_input(0);
  if (c.masked) p.backward_reads_input(1);
  p.keep(0, kKept * c.c);
  // Two parts for each chunk and channel, and the count of rows that are not masked.
  c.parts =
      p.scratch(chunk_scratch_per_row(c.outer, c.c, 2 * c.c + 1), chunk_scratch_fixed(2 * c.c + 1));
  c.worker = p.scratch(0, 0, 2 * c.wide);
  c.coefficients = p.scratch(0, 4 * c.wide);
  c.sums = p.scratch(0, 2 * 3 * c.c);  // doubles
  const double size = static_cast<double>(x.size());
  p.flops(5 * size, 8 * size);
}

// Rows [first, first + rows) of chunk k.
struct Chunk {
  Index first, rows;
};
PYSEQ_INLINE Chunk chunk(const Config& c, Index rows, Index k) {
  const Index per = chunk_rows(c.c), first = k * per;
  return {first, rows - first < per ? rows - first : per};
}
// Repeats a value of each channel for each row taken together.
PYSEQ_INLINE void widen(const Config& c, real* v) {
  for (Index j = c.c; j < c.wide; ++j) v[j] = v[j - c.c];
}
// Adds the rows taken together into the first c.
PYSEQ_INLINE void narrow(const Config& c, real* v) {
  for (Index j = c.c; j < c.wide; ++j) v[j % c.c] += v[j];
}

// f(i, n) for each wide row of a chunk: n elements from element i on. The last may be short.
template <class F>
PYSEQ_INLINE void for_wide_rows(const Config& c, const Chunk& k, F&& f) {
  const Index end = (k.first + k.rows) * c.c;
  for (Index i = k.first * c.c; i < end; i += c.wide) f(i, end - i < c.wide ? end - i : c.wide);
}

// part = mean of the chunk, sum of squared distances from it; returns the number of rows counted.
double chunk_moments(const Config& c, const Chunk& k, const real* x, const real* mask, real* part,
                     real* sum, real* mean) {
  for (Index j = 0; j < c.wide; ++j) sum[j] = 0;
  double count = static_cast<double>(k.rows);
  if (mask) {
    count = 0;
    for (Index i = k.first; i < k.first + k.rows; ++i) {
      if (mask[i] == 0) continue;
      count += 1;
      for_lanes(c.c,
                [&](Index j, auto l) { l.put(sum + j, l.get(sum + j) + l.get(x + i * c.c + j)); });
    }
  } else {
    for_wide_rows(c, k, [&](Index i, Index n) {
      for_lanes(n, [&](Index j, auto l) { l.put(sum + j, l.get(sum + j) + l.get(x + i + j)); });
    });
  }
  narrow(c, sum);
  const real scale = static_cast<real>(count > 0 ? 1 / count : 0);
  for (Index j = 0; j < c.c; ++j) part[j] = mean[j] = sum[j] * scale;
  widen(c, mean);
  for (Index j = 0; j < c.wide; ++j) sum[j] = 0;
  if (mask) {
    for (Index i = k.first; i < k.first + k.rows; ++i) {
      if (mask[i] == 0) continue;
      for_lanes(c.c, [&](Index j, auto l) {
        const V d = l.get(x + i * c.c + j) - l.get(mean + j);
        l.put(sum + j, l.get(sum + j) + d * d);
      });
    }
  } else {
    for_wide_rows(c, k, [&](Index i, Index n) {
      for_lanes(n, [&](Index j, auto l) {
        const V d = l.get(x + i + j) - l.get(mean + j);
        l.put(sum + j, l.get(sum + j) + d * d);
      });
    });
  }
  narrow(c, sum);
  for (Index j = 0; j < c.c; ++j) part[c.c + j] = sum[j];
  return count;
}

PYSEQ_INLINE void sum_over_group(const Run& r, const Config& c, double* values, Index n) {
  if (c.synchronized && r.group) r.group->sum(r.group->context, values, n);
}

struct Moments {
  double mean, variance;
};

// From the moments of one channel to what the moving statistics become and what forward uses.
void take_statistics(const Run& r, const Config& c, Index j, const Moments& m, real* kept) {
  const double s = root(m.variance + c.epsilon);
  const auto move = [&](int variable, double value, double momentum) {
    real* v = r.param(variable);
    const double moved = static_cast<double>(v[j]) * momentum + value * (1 - momentum);
    v[j] = static_cast<real>(moved);
    return moved;
  };
  double correction = 1, shift = 0;
  move(c.moving, m.mean, c.momentum);
  if (c.renorm) {
    const real *mean = r.param(c.moving + 3), *stddev = r.param(c.moving + 4);
    const double least = root(c.epsilon), known = static_cast<double>(stddev[j]);
    const double divisor = known > least ? known : least;
    correction = s / divisor;
    shift = (m.mean - static_cast<double>(mean[j])) / divisor;
    correction = correction < c.rmin ? c.rmin : correction > c.rmax ? c.rmax : correction;
    shift = shift < -c.dmax ? -c.dmax : shift > c.dmax ? c.dmax : shift;
    move(c.moving + 3, m.mean, c.renorm_momentum);
    move(c.moving + 4, s, c.renorm_momentum);
    const double moved = move(c.moving + 2, s, c.momentum);
    const double variance = moved * moved - c.epsilon;
    real* moving_variance = r.param(c.moving + 1);
    moving_variance[j] = static_cast<real>(variance > 0 ? variance : 0);
  } else {
    move(c.moving + 1, m.variance, c.momentum);
  }
  kept[kMean * c.c + j] = static_cast<real>(m.mean);
  kept[kInv * c.c + j] = static_cast<real>(1 / s);
  kept[kR * c.c + j] = static_cast<real>(correction);
  kept[kD * c.c + j] = static_cast<real>(shift);
}

// Of the chunks: count and count * mean of each channel.
void chunk_sums(const Run& r, const Config& c, double* count, double* sum) {
  const real* x = r.x();
  const real* mask = c.masked ? static_cast<const real*>(r.x(1)) : nullptr;
  const Index rows = r.n * c.outer, chunks = chunk_count(rows, c.c);
  real* const parts = r.scratch(c.parts);
  real* const counts = parts + chunks * 2 * c.c;
  parallel_for(r.pool, chunks, 2, [&](Index begin, Index end, int worker) {
    real* own = r.scratch(c.worker, worker);
    for (Index k = begin; k < end; ++k)
      counts[k] = static_cast<real>(
          chunk_moments(c, chunk(c, rows, k), x, mask, parts + k * 2 * c.c, own, own + c.wide));
  });
  double total = 0;
  for (Index k = 0; k < chunks; ++k) total += static_cast<double>(counts[k]);
  for_column_blocks(r.pool, c.c, chunks, [&](Index first, Index n) {
    for (Index j = first; j < first + n; ++j) count[j] = total, sum[j] = 0;
    for (Index k = 0; k < chunks; ++k) {
      const double of_chunk = static_cast<double>(counts[k]);
      const real* part = parts + k * 2 * c.c;
      for (Index j = first; j < first + n; ++j) sum[j] += of_chunk * static_cast<double>(part[j]);
    }
  });
}

// Squared distances from the means, from the moments of the chunks.
void chunk_squares(const Run& r, const Config& c, const double* mean, double* square) {
  const Index chunks = chunk_count(r.n * c.outer, c.c);
  const real* const parts = r.scratch(c.parts);
  const real* const counts = parts + chunks * 2 * c.c;
  for_column_blocks(r.pool, c.c, chunks, [&](Index first, Index n) {
    for (Index j = first; j < first + n; ++j) square[j] = 0;
    for (Index k = 0; k < chunks; ++k) {
      const double count = static_cast<double>(counts[k]);
      const real* part = parts + k * 2 * c.c;
      for (Index j = first; j < first + n; ++j) {
        const double d = static_cast<double>(part[j]) - mean[j];
        square[j] += static_cast<double>(part[c.c + j]) + count * d * d;
      }
    }
  });
}

// The same where each element has a mask of its own.
void element_sums(const Run& r, const Config& c, double* count, double* sum) {
  const real *x = r.x(), *mask = r.x(1);
  const Index size = r.n * c.outer * c.c;
  parallel_for(r.pool, c.c, 4, [&](Index begin, Index end, int) {
    for (Index j = begin; j < end; ++j) {
      count[j] = sum[j] = 0;
      for (Index i = j; i < size; i += c.c) {
        if (mask[i] == 0) continue;
        count[j] += 1;
        sum[j] += static_cast<double>(x[i]);
      }
    }
  });
}
void element_squares(const Run& r, const Config& c, const double* mean, double* square) {
  const real *x = r.x(), *mask = r.x(1);
  const Index size = r.n * c.outer * c.c;
  parallel_for(r.pool, c.c, 4, [&](Index begin, Index end, int) {
    for (Index j = begin; j < end; ++j) {
      square[j] = 0;
      for (Index i = j; i < size; i += c.c) {
        const double d = static_cast<double>(x[i]) - mean[j];
        if (mask[i] != 0) square[j] += d * d;
      }
    }
  });
}

void batch_statistics(const Run& r, const Config& c, real* kept) {
  double *const count = r.scratch(c.sums), *const mean = count + c.c, *const square = mean + c.c;
  (c.by_element ? element_sums : chunk_sums)(r, c, count, mean);
  sum_over_group(r, c, count, 2 * c.c);
  for (Index j = 0; j < c.c; ++j) mean[j] *= count[j] > 0 ? 1 / count[j] : 0;
  (c.by_element ? element_squares : chunk_squares)(r, c, mean, square);
  sum_over_group(r, c, square, c.c);
  for (Index j = 0; j < c.c; ++j)
    take_statistics(r, c, j, {mean[j], square[j] * (count[j] > 0 ? 1 / count[j] : 0)}, kept);
}

void moving_statistics(const Run& r, const Config& c, real* kept) {
  const real *mean = r.param(c.moving), *variance = r.param(c.moving + 1);
  for (Index j = 0; j < c.c; ++j) {
    kept[kMean * c.c + j] = mean[j];
    kept[kInv * c.c + j] =
        static_cast<real>(1 / root(static_cast<double>(variance[j]) + c.epsilon));
    kept[kR * c.c + j] = 1;
    kept[kD * c.c + j] = 0;
  }
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  real* kept = r.kept();
  if (c.batch && r.training) batch_statistics(r, c, kept);
  else moving_statistics(r, c, kept);
  real* const mean = r.scratch(c.coefficients);
  real *const scale = mean + c.wide, *const offset = scale + c.wide;
  for (Index j = 0; j < c.c; ++j) {
    const real gamma = c.gamma < 0 ? 1 : static_cast<const real*>(r.param(c.gamma))[j];
    const real beta = c.beta < 0 ? 0 : static_cast<const real*>(r.param(c.beta))[j];
    mean[j] = kept[kMean * c.c + j];
    scale[j] = kept[kInv * c.c + j] * kept[kR * c.c + j] * gamma;
    offset[j] = kept[kD * c.c + j] * gamma + beta;
  }
  widen(c, mean);
  widen(c, scale);
  widen(c, offset);
  const real* x = r.x();
  real* y = r.y();
  const Index rows = r.n * c.outer;
  parallel_for(r.pool, chunk_count(rows, c.c), 2, [&](Index begin, Index end, int) {
    for (Index k = begin; k < end; ++k)
      for_wide_rows(c, chunk(c, rows, k), [&](Index i, Index n) {
        for_lanes(n, [&](Index j, auto l) {
          const V d = l.get(x + i + j) - l.get(mean + j);
          l.put(y + i + j, d * l.get(scale + j) + l.get(offset + j));
        });
      });
  });
}

// part = sum dy, sum dy (x - mean) over the chunk
void chunk_gradients(const Config& c, const Chunk& k, const real* x, const real* dy,
                     const real* mean, real* part, real* sum) {
  real* const moment = sum + c.wide;
  for (Index j = 0; j < 2 * c.wide; ++j) sum[j] = 0;
  for_wide_rows(c, k, [&](Index i, Index n) {
    for_lanes(n, [&](Index j, auto l) {
      const V g = l.get(dy + i + j);
      l.put(sum + j, l.get(sum + j) + g);
      l.put(moment + j, l.get(moment + j) + g * (l.get(x + i + j) - l.get(mean + j)));
    });
  });
  narrow(c, sum);
  narrow(c, moment);
  for (Index j = 0; j < c.c; ++j) {
    part[j] = sum[j];
    part[c.c + j] = moment[j];
  }
}

// Rows that went into the statistics of each channel.
void count_rows(const Run& r, const Config& c, const real* mask, double* counts) {
  const Index rows = c.batch && r.training ? r.n * c.outer : 0;
  Index valid = mask ? 0 : rows;
  for (Index i = 0; mask && !c.by_element && i < rows; ++i) valid += mask[i] != 0;
  for (Index j = 0; j < c.c; ++j) {
    for (Index i = j; c.by_element && i < rows * c.c; i += c.c) valid += mask[i] != 0;
    counts[j] = static_cast<double>(valid);
    if (c.by_element) valid = 0;
  }
}

// Writes dgamma and dbeta, of this process's rows, and the coefficients of
// dx = a dy + w (b (x - mean) + e).
void combine_gradients(const Run& r, const Config& c, Index chunks, double* counts, const real* parts,
                       const real* kept, real* a, real* b, real* e) {
  real* dgamma = c.gamma < 0 ? nullptr : static_cast<real*>(r.dparam(c.gamma));
  real* dbeta = c.beta < 0 ? nullptr : static_cast<real*>(r.dparam(c.beta));
  double *const sum = counts + c.c, *const moment = sum + c.c;
  for_column_blocks(r.pool, c.c, chunks, [&](Index first, Index n) {
    add_chunks(parts, 2 * c.c, chunks, first, n, sum + first);
    add_chunks(parts + c.c, 2 * c.c, chunks, first, n, moment + first);
    for (Index j = first; j < first + n; ++j) {
      const double inv = static_cast<double>(kept[kInv * c.c + j]);
      const double correction = static_cast<double>(kept[kR * c.c + j]);
      const double shift = static_cast<double>(kept[kD * c.c + j]);
      if (dgamma) dgamma[j] = static_cast<real>(correction * inv * moment[j] + shift * sum[j]);
      if (dbeta) dbeta[j] = static_cast<real>(sum[j]);
    }
  });
  // A gradient here is that of the mean over this process's rows; `share` of it counts in all.
  const bool all = c.synchronized && r.group && c.batch && r.training;
  const double share = all ? r.group->share : 1;
  if (all) {
    for (Index j = 0; j < 2 * c.c; ++j) sum[j] *= share;
    sum_over_group(r, c, counts, 3 * c.c);
  }
  for (Index j = 0; j < c.c; ++j) {
    const double inv = static_cast<double>(kept[kInv * c.c + j]);
    const double correction = static_cast<double>(kept[kR * c.c + j]);
    const double gamma =
        c.gamma < 0 ? 1 : static_cast<double>(static_cast<const real*>(r.param(c.gamma))[j]);
    const double scale = gamma * correction * inv, count = counts[j] * share;
    a[j] = static_cast<real>(scale);
    b[j] = static_cast<real>(count > 0 ? -scale * inv * inv * moment[j] / count : 0);
    e[j] = static_cast<real>(count > 0 ? -scale * sum[j] / count : 0);
  }
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *x = r.x(), *dy = r.dy(), *kept = r.kept();
  const real* mask = c.masked ? static_cast<const real*>(r.x(1)) : nullptr;
  real* dx = r.dx();
  const Index rows = r.n * c.outer, chunks = chunk_count(rows, c.c);
  if (c.masked && r.dx(1))
    __builtin_memset(r.dx(1), 0,
                     static_cast<std::size_t>(c.by_element ? rows * c.c : rows) * sizeof(real));
  real *const mean = r.scratch(c.coefficients), *const a = mean + c.wide, *const b = a + c.wide,
              *const e = b + c.wide;
  for (Index j = 0; j < c.c; ++j) mean[j] = kept[kMean * c.c + j];
  widen(c, mean);
  real* const parts = r.scratch(c.parts);
  parallel_for(r.pool, chunks, 2, [&](Index begin, Index end, int worker) {
    for (Index k = begin; k < end; ++k)
      chunk_gradients(c, chunk(c, rows, k), x, dy, mean, parts + k * 2 * c.c,
                      r.scratch(c.worker, worker));
  });
  double* const counts = r.scratch(c.sums);
  count_rows(r, c, mask, counts);
  combine_gradients(r, c, chunks, counts, parts, kept, a, b, e);
  if (!dx) return;
  widen(c, a);
  widen(c, b);
  widen(c, e);
  parallel_for(r.pool, chunks, 2, [&](Index begin, Index end, int) {
    for (Index k = begin; k < end; ++k)
      for_wide_rows(c, chunk(c, rows, k), [&](Index i, Index n) {
        if (c.by_element) {
          for_lanes(n, [&](Index j, auto l) {
            const V d = l.get(x + i + j) - l.get(mean + j);
            const V batch_part = l.get(mask + i + j) * (l.get(b + j) * d + l.get(e + j));
            l.put(dx + i + j, l.get(a + j) * l.get(dy + i + j) + batch_part);
          });
        } else if (mask && mask[i / c.c] == 0) {
          for_lanes(n,
                    [&](Index j, auto l) { l.put(dx + i + j, l.get(a + j) * l.get(dy + i + j)); });
        } else {
          for_lanes(n, [&](Index j, auto l) {
            const V d = l.get(x + i + j) - l.get(mean + j);
            const V batch_part = l.get(b + j) * d + l.get(e + j);
            l.put(dx + i + j, l.get(a + j) * l.get(dy + i + j) + batch_part);
          });
        }
      });
  });
}

}  // namespace

extern const OpDef op_batch_norm;
const OpDef op_batch_norm{"batch_norm", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
