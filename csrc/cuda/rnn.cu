#include "cuda/rnn.h"

#include "cuda/columns.h"
#include "cuda/divide.h"
#include "cuda/random.h"

namespace pyseq::cuda {
namespace {

// Elements of a recurrent kernel that a block reads again at each step from the nearer caches.
constexpr Index kOneLaunch = 65536;

int hold(Plan& p, Index per_row) { return p.training() ? p.keep(per_row) : p.scratch(per_row); }

float* buffer(const Run& r, const Rnn& c, int number) {
  if (number < 0) return nullptr;
  return c.trains ? r.kept(number) : r.scratch(number);
}

void plan_parts(Rnn& c) {
  c.parts = c.h_masks > 1 ? c.gates : c.special ? 2 : 1;
  c.part[0] = 0;
  if (c.h_masks > 1)
    for (int g = 1; g < c.gates; ++g) c.part[g] = g * c.u;
  else if (c.special) c.part[1] = (c.gates - 1) * c.u;
  c.part[c.parts] = c.w;
}

void plan_buffers(Plan& p, Rnn& c) {
  const Index steps = c.t * c.u;
  c.z = hold(p, c.t * c.w);
  c.x_mask = c.x_masks ? hold(p, c.x_masks * c.i) : -1;
  c.h_mask = c.h_masks ? hold(p, c.h_masks * c.u) : -1;
  c.pre = c.trains && c.keep_pre ? p.keep(c.t * c.w) : -1;
  c.h = c.trains ? p.keep(steps) : -1;
  c.c = c.trains && c.states == 2 ? p.keep(steps) : -1;
  c.act_c = c.trains && c.states == 2 ? p.keep(steps) : -1;
  c.aux = c.special && (c.trains || !c.one_launch) ? hold(p, steps) : -1;

  c.x_dropped = c.x_masks ? p.scratch(c.t * c.i) : -1;
  c.h_dropped = c.h_masks ? p.scratch(c.trains ? steps : c.u) : -1;
  c.bias_sum = p.scratch(0, c.w);
  if (c.trains) c.sums = p.scratch(0, column_scratch<Sums<1>>());
  if (c.trains && c.one_launch) c.turned = p.scratch(0, c.u * c.w);
  if (c.one_launch) return;
  c.now_h = p.scratch(c.u);
  c.now_c = p.scratch(c.u);
  c.dh = p.scratch(c.u);
  if (!c.trains) return;
  c.dc = p.scratch(c.u);
  c.waiting = p.scratch(c.u);
  c.product = p.scratch(c.u);
}

// out (N, columns): 0 or 1 / (1 - rate), the same bits as on the CPU.
void dropout_factors(const Run& r, const Rnn& c, double rate, int stream, Index columns, float* out) {
  const RandomKey key{
      static_cast<std::uint64_t>(c.seed) + 0x9E3779B97F4A7C15u * static_cast<std::uint64_t>(stream + 1), r.op,
      r.stream->state};
  const auto threshold = static_cast<float>(rate);
  const float scale = rate < 1 ? static_cast<float>(1 / (1 - rate)) : 0.0f;
  for_each(r.stream, r.n * columns,
           [=] __device__(Index i) { out[i] = random_uniform(key, i) < threshold ? 0.0f : scale; });
}

// out (N, T, K) = in times factors (N, groups, K) of one group
void drop(const Run& r, const float* in, const float* factors, Index groups, Index group, Index t, Index k,
          float* out) {
  const Divider by_k(k), by_t(t);
  for_each(r.stream, r.n * t * k, [=] __device__(Index i) {
    const Index step = by_k.quotient(i), row = by_t.quotient(step);
    out[i] = in[i] * factors[(row * groups + group) * k + (i - step * k)];
  });
}

// Of the input projection. GRU with reset_after has a second bias inside the recurrent product: that of
// its first two gates is added here.
const float* input_bias(const Run& r, const Rnn& c) {
  if (!c.use_bias) return nullptr;
  const float* const b = r.param(2);
  if (!(c.special && c.reset_after)) return b;
  float* const sum = r.scratch(c.bias_sum);
  const Index w = c.w, u = c.u;
  for_each(r.stream, w, [=] __device__(Index j) { sum[j] = b[j] + (j < 2 * u ? b[w + j] : 0.0f); });
  return sum;
}

void project(const Run& r, const Rnn& c, const float* x_mask, float* z) {
  const float* const bias = input_bias(r, c);
  const int groups = x_mask ? c.x_masks : 1;
  const Index columns = c.w / groups;
  for (int g = 0; g < groups; ++g) {
    Gemm m;
    m.m = r.n * c.t, m.n = columns, m.k = c.i;
    m.a = r.x(), m.a_row = c.i;
    if (x_mask) {
      float* const dropped = r.scratch(c.x_dropped);
      drop(r, r.x(), x_mask, groups, g, c.t, c.i, dropped);
      m.a = dropped;
    }
    m.b = static_cast<const float*>(r.param(0)) + g * columns, m.b_row = c.w;
    m.c = z + g * columns, m.ldc = c.w;
    m.bias = bias ? bias + g * columns : nullptr;
    gemm(r.stream, m);
  }
}

void kernel_gradients(const Run& r, const Rnn& c, const float* dz) {
  const float* const factors = r.training ? buffer(r, c, c.x_mask) : nullptr;
  float* const dropped = factors ? static_cast<float*>(r.scratch(c.x_dropped)) : nullptr;
  float* const dx = r.dx();
  const int groups = factors ? c.x_masks : 1;
  const Index columns = c.w / groups, rows = r.n * c.t, inputs = c.i;
  for (int g = 0; g < groups; ++g) {
    if (r.dparam(0)) {
      Gemm m;
      m.m = c.i, m.n = columns, m.k = rows;
      m.a = r.x(), m.a_row = 1, m.a_col = c.i;
      if (factors) {
        drop(r, r.x(), factors, groups, g, c.t, c.i, dropped);
        m.a = dropped;
      }
      m.b = dz + g * columns, m.b_row = c.w;
      m.c = static_cast<float*>(r.dparam(0)) + g * columns, m.ldc = c.w;
      gemm(r.stream, m);
    }
    if (!dx) continue;
    Gemm m;
    m.m = rows, m.n = c.i, m.k = columns;
    m.a = dz + g * columns, m.a_row = c.w;
    m.b = static_cast<const float*>(r.param(0)) + g * columns, m.b_row = 1, m.b_col = c.w;
    m.c = factors ? dropped : dx, m.ldc = c.i;
    gemm(r.stream, m);
    if (!factors) continue;
    const Divider by_i(inputs), by_t(c.t);
    for_each(r.stream, rows * inputs, [=] __device__(Index i) {
      const Index step = by_i.quotient(i), row = by_t.quotient(step);
      const float v = dropped[i] * factors[(row * groups + g) * inputs + (i - step * inputs)];
      dx[i] = g ? dx[i] + v : v;
    });
  }
}

void recurrent_gradient(const Run& r, const Rnn& c, const float* dz) {
  const float* const factors = r.training ? buffer(r, c, c.h_mask) : nullptr;
  for (int k = 0; k < c.parts; ++k) {
    const bool special = c.special && k == c.parts - 1;
    Gemm m;
    m.m = c.u, m.n = c.part[k + 1] - c.part[k], m.k = r.n * c.t;
    m.a = r.kept(c.h), m.a_row = 1, m.a_col = c.u;
    if (special && !c.reset_after) {
      m.a = r.kept(c.aux);
    } else if (factors) {
      float* const dropped = r.scratch(c.h_dropped);
      drop(r, m.a, factors, c.h_masks, k, c.t, c.u, dropped);
      m.a = dropped;
    }
    m.b = dz + c.part[k], m.b_row = c.w;
    if (special && c.reset_after) m.b = r.kept(c.aux), m.b_row = c.u;
    m.c = static_cast<float*>(r.dparam(1)) + c.part[k], m.ldc = c.w;
    gemm(r.stream, m);
  }
}

void sum_columns(const Run& r, const Rnn& c, const float* x, Index cols, float* out, float* again,
                 Index repeated) {
  reduce_columns<Sums<1>>(
      r.stream, 1, r.n * c.t, cols, r.scratch(c.sums),
      [=] __device__(Sums<1> & s, Index row, Index j) { s.v[0] += x[row * cols + j]; },
      [=] __device__(Index, Index j, const Sums<1>& s) {
        out[j] = s.v[0];
        if (j < repeated) again[j] = s.v[0];
      });
}

}  // namespace

void rnn_plan(Plan& p, int gates, int states, bool special) {
  Rnn& c = p.config<Rnn>();
  const Shape x = p.input(0);
  c.u = p.integer("units");
  c.t = x[0];
  c.i = x[1];
  c.gates = gates;
  c.states = states;
  c.w = gates * c.u;
  c.special = special;
  c.use_bias = p.flag("use_bias", true);
  c.sequences = p.flag("return_sequences");
  c.backwards = p.flag("go_backwards");
  c.masked = p.inputs() > 1;
  c.zero_masked = p.flag("zero_output_for_mask");
  c.stateful = p.flag("stateful");
  c.states_out = p.flag("return_state");
  c.reset_after = p.flag("reset_after", true);
  c.trains = p.training();
  c.math =
      gate_math(activation_from(p), activation_from(p, "recurrent_activation", "recurrent_activation_args"));
  c.keep_pre = !c.math.act_y || (gates > 1 && !c.math.rec_y);
  c.dropout = p.number("dropout", 0);
  c.recurrent_dropout = p.number("recurrent_dropout", 0);
  c.seed = p.has("seed") ? static_cast<std::int64_t>(p.seed()) : 0;
  const bool split = p.flag("dropout_per_gate") && gates > 1;
  c.x_masks = c.dropout > 0 ? (split ? gates : 1) : 0;
  c.h_masks = c.recurrent_dropout > 0 ? gates : 0;
  c.one_launch = c.u * c.w <= kOneLaunch;
  if (c.stateful) c.state_rows = p.param(2 + c.use_bias)[0];
  if (p.param(0).size() != c.i * c.w || p.param(1).size() != c.u * c.w)
    p.fail("expected kernels of %ld and %ld elements", static_cast<long>(c.i * c.w),
           static_cast<long>(c.u * c.w));
  plan_parts(c);
  plan_buffers(p, c);

  Shape y;
  if (c.sequences) y.push(c.t);
  y.push(c.u);
  p.output(y);
  Shape state;
  state.push(c.u);
  for (int k = 0; c.states_out && k < states; ++k) p.output(state);
  for (int k = 0; c.stateful && k < states; ++k) p.writes_param(2 + c.use_bias + k);
  p.backward_reads_input(0);
  if (c.masked) p.backward_reads_input(1);
}

Steps rnn_begin(const Run& r, const Rnn& c, bool backward) {
  Steps s{};
  s.n = r.n, s.t = c.t, s.u = c.u, s.w = c.w;
  s.gates = c.gates, s.states = c.states, s.h_masks = c.h_masks;
  s.state_rows = c.state_rows;
  s.sequences = c.sequences, s.backwards = c.backwards, s.masked = c.masked, s.zero_masked = c.zero_masked;
  s.math = c.math;
  s.z = buffer(r, c, c.z);
  s.pre = buffer(r, c, c.pre);
  s.h = buffer(r, c, c.h);
  s.c = buffer(r, c, c.c);
  s.act_c = buffer(r, c, c.act_c);
  s.aux = buffer(r, c, c.aux);
  s.recurrent = r.param(1);
  if (c.use_bias && c.special && c.reset_after)
    s.inner_bias = static_cast<const float*>(r.param(2)) + c.w + 2 * c.u;
  if (c.masked) s.mask = r.x(1);
  s.h_mask = r.training ? buffer(r, c, c.h_mask) : nullptr;
  if (backward) {
    s.dy = r.dy();
    for (int k = 0; c.states_out && k < c.states; ++k) s.dlast[k] = r.dy(1 + k);
    if (!c.one_launch) return s;
    float* const turned = r.scratch(c.turned);
    const float* const recurrent = s.recurrent;
    const Index u = c.u, w = c.w;
    const Divider by_u(u);
    for_each(r.stream, u * w, [=] __device__(Index i) {
      const Index column = by_u.quotient(i);
      turned[i] = recurrent[(i - column * u) * w + column];
    });
    s.turned = turned;
    return s;
  }
  for (int k = 0; k < c.states; ++k) {
    if (c.stateful) s.state[k] = r.param(2 + c.use_bias + k);
    if (c.states_out) s.last[k] = r.y(1 + k);
  }
  s.y = r.y();
  float* const x_mask = r.training ? buffer(r, c, c.x_mask) : nullptr;
  if (x_mask) dropout_factors(r, c, c.dropout, 0, c.x_masks * c.i, x_mask);
  if (s.h_mask) dropout_factors(r, c, c.recurrent_dropout, 1, c.h_masks * c.u, buffer(r, c, c.h_mask));
  project(r, c, x_mask, s.z);
  return s;
}

void rnn_gradients(const Run& r, const Rnn& c) {
  const float* const dz = r.kept(c.z);
  kernel_gradients(r, c, dz);
  if (r.dparam(1)) recurrent_gradient(r, c, dz);
  float* const db = c.use_bias ? static_cast<float*>(r.dparam(2)) : nullptr;
  if (!db) return;
  const bool two = c.special && c.reset_after;
  sum_columns(r, c, dz, c.w, db, two ? db + c.w : nullptr, two ? 2 * c.u : 0);
  if (two) sum_columns(r, c, r.kept(c.aux), c.u, db + c.w + 2 * c.u, nullptr, 0);
}

void rnn_step_product(const Run& r, const Rnn& c, const Steps& s, Index time, int part, const float* h) {
  const bool alone = c.special && c.reset_after && part == c.parts - 1;
  Gemm m;
  m.m = r.n, m.n = c.part[part + 1] - c.part[part], m.k = c.u;
  m.a = h, m.a_row = c.u;
  if (s.h_mask) {
    float* const dropped = r.scratch(c.h_dropped);
    drop(r, h, s.h_mask, c.h_masks, part, 1, c.u, dropped);
    m.a = dropped;
  }
  m.b = s.recurrent + c.part[part], m.b_row = c.w;
  m.c = alone ? s.aux + time * c.u : s.z + time * c.w + c.part[part];
  m.ldc = alone ? c.t * c.u : c.t * c.w;
  if (alone) m.bias = s.inner_bias;
  else m.accumulate = true;
  gemm(r.stream, m);
}

void rnn_step_product_back(const Run& r, const Rnn& c, const Steps& s, Index time, int part, float* dh,
                           float* to) {
  const bool alone = c.special && c.reset_after && part == c.parts - 1;
  const bool direct = dh && !s.h_mask;
  Gemm m;
  m.m = r.n, m.n = c.u, m.k = c.part[part + 1] - c.part[part];
  m.a = alone ? s.aux + time * c.u : s.z + time * c.w + c.part[part];
  m.a_row = alone ? c.t * c.u : c.t * c.w;
  m.b = s.recurrent + c.part[part], m.b_row = 1, m.b_col = c.w;
  m.c = direct ? dh : to, m.ldc = c.u;
  m.accumulate = direct;
  gemm(r.stream, m);
  if (direct || !dh) return;
  const float* const factors = s.h_mask;
  const Index u = c.u, masks = c.h_masks;
  const Divider by_u(u);
  for_each(r.stream, r.n * u, [=] __device__(Index i) {
    const Index row = by_u.quotient(i);
    dh[i] += to[i] * factors[(row * masks + part) * u + (i - row * u)];
  });
}

}  // namespace pyseq::cuda
