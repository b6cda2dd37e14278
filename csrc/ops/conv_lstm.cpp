// z = conv(x, K) + b + conv_same(h, R) in gates i, f, g, o;  c = rec(f) c + rec(i) act(g);
// h = rec(o) act(c)
// x (N, T, ..., C)  [mask (N, T) or, for each pixel of the output, (N, T, ...)]
// y (N, ..., F) or (N, T, ..., F)  [h, c (N, ..., F)]
// Shi et al., "Convolutional LSTM network", NIPS 2015, without peepholes.
#include "core/op.h"
#include "kernels/conv.h"
#include "kernels/lstm_gates.h"
#include "kernels/random.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  ConvShape in, rec;            // of all gates
  ConvShape in_gate, rec_gate;  // of one gate, for dropout
  LstmMath math;
  Index t, f, pixels, x_size;  // x_size: reals of one input image
  Index mask_size;             // mask elements of a step: 1, or one for each pixel
  bool use_bias, sequences, backwards, masked, zero_masked, stateful, states_out, trains, keep_pre;
  double dropout, recurrent_dropout;
  std::int64_t seed;
  Index state_rows;
  // Buffers; the first four are kept where the plan trains.
  int z, x_mask, h_mask, pre, h_kept, c_kept, act_c;
  int h, c, step, dh, waiting, carry, lanes, conv_fixed, conv_worker;
  int images, slice, weights;  // dropped images, one gate of an output, one gate of a kernel

  Index size() const { return pixels * f; }
};

int hold(Plan& p, Index per_row) { return p.training() ? p.keep(per_row) : p.scratch(per_row); }
real* held(const Run& r, const Config& c, int number) {
  return c.trains ? r.kept(number) : r.scratch(number);
}
ConvWork work_of(const Run& r, const Config& c) {
  return {r.pool, r.scratch(c.conv_fixed), r.scratch(c.conv_worker, 0),
          r.worker_stride_[c.conv_worker] / static_cast<Index>(sizeof(real))};
}

ConvShape recurrent_shape(const ConvShape& in) {
  ConvShape s;
  for (int i = 0; i < 3; ++i) {
    const Index kernel = in.axis[i].kernel, size = in.axis[i].out;
    s.axis[i] = {size, size, kernel, 1, 1, (kernel - 1) / 2};
  }
  s.channels = in.filters / 4;
  s.filters = in.filters;
  return s;
}

void book(Plan& p, Config& c) {
  const Index size = c.size();
  const bool dropping = c.dropout > 0 || c.recurrent_dropout > 0;
  c.z = hold(p, c.t * 4 * size);
  c.x_mask = c.dropout > 0 ? hold(p, 4 * c.x_size) : -1;
  c.h_mask = c.recurrent_dropout > 0 ? hold(p, 4 * size) : -1;
  c.pre = c.trains && c.keep_pre ? p.keep(c.t * 4 * size) : -1;
  c.h_kept = c.trains ? p.keep(c.t * size) : -1;
  c.c_kept = c.trains ? p.keep(c.t * size) : -1;
  c.act_c = hold(p, c.t * size);
  c.h = p.scratch(size);
  c.c = p.scratch(size);
  c.step = p.scratch(4 * size);
  c.dh = p.scratch(c.trains ? size : 0);
  c.waiting = p.scratch(c.trains && c.masked ? size : 0);
  c.carry = p.scratch(c.trains && (c.masked || dropping) ? size : 0);
  c.lanes = p.scratch(0, 0, 2 * c.f);
  ConvScratch s = conv_forward_scratch(c.in);
  const ConvShape* shapes[] = {&c.in, &c.rec, &c.in_gate, &c.rec_gate};
  for (const ConvShape* shape : shapes) {
    s.cover(conv_forward_scratch(*shape));
    if (!c.trains) continue;
    s.cover(conv_data_gradient_scratch(*shape));
    s.cover(conv_weight_gradient_scratch(*shape));
  }
  c.conv_fixed = p.scratch(0, s.fixed);
  c.conv_worker = p.scratch(0, 0, s.per_worker);
  const Index image = c.x_size > size ? c.x_size : size;
  const Index depth = c.in.depth() > c.rec.depth() ? c.in.depth() : c.rec.depth();
  c.images = p.scratch(dropping ? c.t * image : 0);
  c.slice = p.scratch(dropping ? c.t * image : 0);
  c.weights = p.scratch(0, dropping ? depth * c.f : 0);
}

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0, 3, 5), kernel = p.param(0, "a kernel", x.rank, x.rank);
  Shape image;
  for (int i = 1; i < x.rank; ++i) image.push(x[i]);
  c.t = x[0];
  c.x_size = image.size();
  c.in = conv_shape_from(p, image, kernel);
  c.f = c.in.filters / 4;
  c.pixels = p.product(c.in.axis[0].out, c.in.axis[1].out, c.in.axis[2].out);
  c.rec = recurrent_shape(c.in);
  c.in_gate = c.in;
  c.rec_gate = c.rec;
  c.in_gate.filters = c.rec_gate.filters = c.f;
  if (c.in.filters % 4 || kernel[-2] != c.in.channels || c.in.groups != 1)
    p.fail("expected a kernel (k..., C, 4F) without groups");
  Shape recurrent = kernel;
  recurrent[-2] = c.f;
  p.param(1, recurrent, "a recurrent kernel");
  c.use_bias = p.flag("use_bias", true);
  c.sequences = p.flag("return_sequences");
  c.backwards = p.flag("go_backwards");
  c.masked = p.inputs() > 1;
  if (c.t < 1) p.fail("expected at least one step");
  c.mask_size = c.masked ? p.input(1).size() / c.t : 1;
  if (c.masked && p.input(1).size() != c.t * c.mask_size)
    p.fail("expected a mask of whole steps");
  if (c.mask_size != 1 && c.mask_size != c.pixels)
    p.fail("expected a mask of 1 or %d elements for each step, got %d", int(c.pixels),
           int(c.mask_size));
  c.zero_masked = p.flag("zero_output_for_mask");
  c.stateful = p.flag("stateful");
  c.states_out = p.flag("return_state");
  c.trains = p.training();
  c.math.u = c.f;
  c.math.act = activation_from(p);
  c.math.rec = activation_from(p, "recurrent_activation", "recurrent_activation_args");
  c.math.standard = c.math.act.kind == kTanh && c.math.rec.kind == kSigmoid;
  c.math.keeps = c.trains;
  c.keep_pre = !activation_backward_uses_y(c.math.act) || !activation_backward_uses_y(c.math.rec);
  c.dropout = p.number("dropout", 0);
  c.recurrent_dropout = p.number("recurrent_dropout", 0);
  c.seed = p.has("seed") ? static_cast<std::int64_t>(p.seed()) : 0;
  if (c.use_bias) p.param(2, c.in.filters, "a bias");
  Shape state;
  for (int i = 3 - (image.rank - 1); i < 3; ++i) state.push(c.in.axis[i].out);
  state.push(c.f);
  Shape y;
  if (c.sequences) y.push(c.t);
  for (int i = 0; i < state.rank; ++i) y.push(state[i]);
  p.output(y);
  for (int k = 0; c.states_out && k < 2; ++k) p.output(state);
  p.product(c.t, 4, p.product(c.pixels, c.f));
  for (int k = 0; c.stateful && k < 2; ++k) {
    const int i = 2 + c.use_bias + k;
    if (k == 0) c.state_rows = p.param(i, "states", state.rank + 1, state.rank + 1)[0];
    Shape rows = Shape::of(c.state_rows);
    for (int d = 0; d < state.rank; ++d) rows.push(state[d]);
    p.param(i, rows, "states");
    p.writes_param(i);
  }
  book(p, c);
  p.backward_reads_input(0);
  if (c.masked) p.backward_reads_input(1);
  const double flops = 2.0 * static_cast<double>(c.t * c.pixels) * static_cast<double>(c.in.filters) *
                       static_cast<double>(c.in.depth() + c.rec.depth());
  p.flops(flops, 2 * flops);
}

void copy(const real* x, real* y, Index n) { __builtin_memcpy(y, x, n * sizeof(real)); }
void zero(real* x, Index n) { __builtin_memset(x, 0, n * sizeof(real)); }

// f(n, first, count, worker): pixels [first, first + count) of image n.
template <class F>
void for_pixels(const Run& r, const Config& c, F&& f) {
  parallel_for(r.pool, r.n * c.pixels, 2048 / c.f + 1, [&](Index begin, Index end, int worker) {
    while (begin < end) {
      const Index n = begin / c.pixels, first = begin % c.pixels;
      const Index left = c.pixels - first, count = end - begin < left ? end - begin : left;
      f(n, first, count, worker);
      begin += count;
    }
  });
}
template <class F>
void for_images(const Run& r, Index count, Index size, F&& f) {
  parallel_for(r.pool, count, 16384 / (size + 1) + 1, [&](Index begin, Index end, int) {
    for (Index n = begin; n < end; ++n) f(n);
  });
}

// Whether step t of sample n does not count at pixel p.
bool skips(const Run& r, const Config& c, Index n, Index t, Index p) {
  return c.masked && static_cast<const real*>(
                         r.x(1))[(n * c.t + t) * c.mask_size + (c.mask_size > 1 ? p : 0)] == 0;
}

void draw(const Run& r, const Config& c, double rate, int stream, Index size, real* out) {
  const RandomKey key{static_cast<std::uint64_t>(c.seed) + 0x9E3779B97F4A7C15u * (stream + 1),
                      r.step, r.op};
  const real threshold = static_cast<real>(rate);
  const real scale = rate < 1 ? static_cast<real>(1 / (1 - rate)) : real{0};
  for_images(r, r.n, size, [&](Index n) {
    real* m = out + n * size;
    random_uniform(key, n * size, size, m);
    for (Index j = 0; j < size; ++j) m[j] = m[j] < threshold ? 0 : scale;
  });
}

// out = x times the factors of one gate; `steps` images of each sample share them.
void drop(const Run& r, const real* x, const real* factors, int gate, Index steps, Index size,
          real* out) {
  for_images(r, r.n * steps, size, [&](Index image) {
    const real* m = factors + (image / steps * 4 + gate) * size;
    for (Index j = 0; j < size; ++j) out[image * size + j] = x[image * size + j] * m[j];
  });
}

// Columns of one gate of (rows, 4F), to and from (rows, F).
void take_gate(const Run& r, const real* all, Index rows, Index f, int gate, real* one) {
  for_images(r, rows, f, [&](Index i) { copy(all + (i * 4 + gate) * f, one + i * f, f); });
}
void put_gate(const Run& r, const real* one, Index rows, Index f, int gate, real* all) {
  for_images(r, rows, f, [&](Index i) { copy(one + i * f, all + (i * 4 + gate) * f, f); });
}

// out (count images of 4F) = conv(x, w), with dropout factors where they are not null.
void convolve(const Run& r, const Config& c, const ConvShape& all, const ConvShape& gate,
              const real* x, const real* w, const real* bias, const real* factors, Index steps,
              Index size, real* out) {
  const Activation linear;
  if (!factors) {
    conv_forward(all, r.n * steps, {x}, w, {out, nullptr, bias, &linear}, work_of(r, c));
    return;
  }
  real *images = r.scratch(c.images), *slice = r.scratch(c.slice), *weights = r.scratch(c.weights);
  for (int g = 0; g < 4; ++g) {
    drop(r, x, factors, g, steps, size, images);
    take_gate(r, w, gate.depth(), c.f, g, weights);
    conv_forward(gate, r.n * steps, {images}, weights,
                 {slice, nullptr, bias ? bias + g * c.f : nullptr, &linear}, work_of(r, c));
    put_gate(r, slice, r.n * steps * c.pixels, c.f, g, out);
  }
}

// dx (count images) of `convolve`.
void convolve_back_data(const Run& r, const Config& c, const ConvShape& all, const ConvShape& gate,
                        const real* dy, const real* w, const real* factors, Index steps, Index size,
                        real* dx) {
  const Activation linear;
  if (!factors) {
    conv_data_gradient(all, r.n * steps, {dy}, w, {dx, nullptr, nullptr, &linear}, work_of(r, c));
    return;
  }
  real *images = r.scratch(c.images), *slice = r.scratch(c.slice), *weights = r.scratch(c.weights);
  for (int g = 0; g < 4; ++g) {
    take_gate(r, dy, r.n * steps * c.pixels, c.f, g, slice);
    take_gate(r, w, gate.depth(), c.f, g, weights);
    conv_data_gradient(gate, r.n * steps, {slice}, weights, {images, nullptr, nullptr, &linear},
                       work_of(r, c));
    for_images(r, r.n * steps, size, [&](Index image) {
      const real* m = factors + (image / steps * 4 + g) * size;
      real* to = dx + image * size;
      for (Index j = 0; j < size; ++j) {
        const real v = images[image * size + j] * m[j];
        to[j] = g ? to[j] + v : v;
      }
    });
  }
}

void convolve_back_weights(const Run& r, const Config& c, const ConvShape& all,
                           const ConvShape& gate, const real* x, const real* dy,
                           const real* factors, Index size, real* dw, real* db) {
  if (!factors || !dw) {
    conv_weight_gradient(all, r.n * c.t, {x}, {dy}, dw, db, work_of(r, c));
    return;
  }
  real *images = r.scratch(c.images), *slice = r.scratch(c.slice), *weights = r.scratch(c.weights);
  for (int g = 0; g < 4; ++g) {
    drop(r, x, factors, g, c.t, size, images);
    take_gate(r, dy, r.n * c.t * c.pixels, c.f, g, slice);
    conv_weight_gradient(gate, r.n * c.t, {images}, {slice}, weights, db ? db + g * c.f : nullptr,
                         work_of(r, c));
    put_gate(r, weights, gate.depth(), c.f, g, dw);
  }
}

void initial_state(const Run& r, const Config& c, int which, real* out) {
  const Index size = c.size();
  const real* state =
      c.stateful ? static_cast<const real*>(r.param(2 + c.use_bias + which)) : nullptr;
  for (Index n = 0; n < r.n; ++n) {
    if (state && n < c.state_rows) copy(state + n * size, out + n * size, size);
    else zero(out + n * size, size);
  }
}

void final_state(const Run& r, const Config& c, int which, const real* from) {
  const Index size = c.size(), rows = r.n < c.state_rows ? r.n : c.state_rows;
  if (c.stateful) copy(from, r.param(2 + c.use_bias + which), rows * size);
  if (c.states_out) copy(from, r.y(1 + which), r.n * size);
}

void write_outputs(const Run& r, const Config& c, const real* h, Index t, Index position) {
  if (!c.sequences && position != c.t - 1 && !c.masked) return;
  const Index size = c.size();
  for_images(r, r.n, size, [&](Index n) {
    const Index piece = size / c.mask_size;
    real* y = static_cast<real*>(r.y()) + (c.sequences ? n * c.t + position : n) * size;
    for (Index p = 0; p < c.mask_size; ++p, y += piece) {
      if (!skips(r, c, n, t, p)) copy(h + n * size + p * piece, y, piece);
      else if (c.zero_masked || position == 0) zero(y, piece);
      else if (c.sequences) copy(y - size, y, piece);
    }
  });
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index size = c.size(), f = c.f;
  real *z = held(r, c, c.z), *h = r.scratch(c.h), *cell = r.scratch(c.c), *u = r.scratch(c.step);
  const real* x_mask = r.training && c.x_mask >= 0 ? held(r, c, c.x_mask) : nullptr;
  const real* h_mask = r.training && c.h_mask >= 0 ? held(r, c, c.h_mask) : nullptr;
  if (x_mask) draw(r, c, c.dropout, 0, 4 * c.x_size, held(r, c, c.x_mask));
  if (h_mask) draw(r, c, c.recurrent_dropout, 1, 4 * size, held(r, c, c.h_mask));
  const real* bias = c.use_bias ? static_cast<const real*>(r.param(2)) : nullptr;
  convolve(r, c, c.in, c.in_gate, r.x(), r.param(0), bias, x_mask, c.t, c.x_size, z);
  initial_state(r, c, 0, h);
  initial_state(r, c, 1, cell);
  real* act_c = held(r, c, c.act_c);
  for (Index position = 0; position < c.t; ++position) {
    const Index t = c.backwards ? c.t - 1 - position : position;
    convolve(r, c, c.rec, c.rec_gate, h, r.param(1), nullptr, h_mask, 1, size, u);
    for_pixels(r, c, [&](Index n, Index first, Index count, int) {
      const Index image = n * c.t + t;
      real* zn = z + (image * c.pixels + first) * 4 * f;
      const real* un = u + (n * c.pixels + first) * 4 * f;
      real *hn = h + n * size + first * f, *cn = cell + n * size + first * f;
      const Index at = image * size + first * f;
      if (c.trains) {
        copy(hn, static_cast<real*>(r.kept(c.h_kept)) + at, count * f);
        copy(cn, static_cast<real*>(r.kept(c.c_kept)) + at, count * f);
      }
      real* pre = c.pre >= 0 ? static_cast<real*>(r.kept(c.pre)) + at * 4 : nullptr;
      for (Index p = 0; p < count; ++p) {
        if (skips(r, c, n, t, first + p)) continue;
        for (Index j = p * 4 * f; j < (p + 1) * 4 * f; ++j) zn[j] += un[j];
        lstm_gates(c.math, zn + p * 4 * f, pre ? pre + p * 4 * f : nullptr, cn + p * f, cn + p * f,
                   hn + p * f, act_c + at + p * f);
      }
    });
    write_outputs(r, c, h, t, position);
  }
  final_state(r, c, 0, h);
  final_state(r, c, 1, cell);
}

// As for other recurrent layers: gradients of repeated outputs wait for the step that made them.
void add_output_gradient(const Run& r, const Config& c, Index t, Index position, real* dh,
                         real* waiting) {
  const Index size = c.size();
  const real* dy = r.dy();
  if (!c.sequences && position != c.t - 1) dy = nullptr;
  if (!dy && !c.masked) return;
  for_images(r, r.n, size, [&](Index n) {
    const real* from = dy ? dy + (c.sequences ? n * c.t + position : n) * size : nullptr;
    real *to = dh + n * size, *w = waiting + n * size;
    if (!c.masked) {
      for (Index j = 0; j < size; ++j) to[j] += from[j];
      return;
    }
    for (Index j = 0; from && j < size; ++j) w[j] += from[j];
    const Index piece = size / c.mask_size;
    for (Index p = 0; p < c.mask_size; ++p, to += piece, w += piece) {
      const bool skip = skips(r, c, n, t, p);
      for (Index j = 0; !skip && j < piece; ++j) to[j] += w[j];
      if (!skip || c.zero_masked) zero(w, piece);
    }
  });
}

void step_back(const Run& r, const Config& c, Index t, real* z, real* dh, real* dc) {
  const Index size = c.size(), f = c.f;
  real *u = r.scratch(c.step), *carry = r.scratch(c.carry);
  for_pixels(r, c, [&](Index n, Index first, Index count, int worker) {
    const Index image = n * c.t + t, at = image * size + first * f, own = n * size + first * f;
    real *zn = z + at * 4, *un = u + own * 4;
    real* work = r.scratch(c.lanes, worker);
    const real* pre = c.pre >= 0 ? static_cast<const real*>(r.kept(c.pre)) + at * 4 : nullptr;
    for (Index p = 0; p < count; ++p) {
      const bool skip = skips(r, c, n, t, first + p);
      if (c.masked && skip) copy(dh + own + p * f, carry + own + p * f, f);
      if (c.masked && !skip) zero(carry + own + p * f, f);
      if (skip) {
        zero(zn + p * 4 * f, 4 * f);
        continue;
      }
      lstm_gates_back(c.math, zn + p * 4 * f, pre ? pre + p * 4 * f : nullptr,
                      static_cast<const real*>(r.kept(c.c_kept)) + at + p * f,
                      static_cast<const real*>(r.kept(c.act_c)) + at + p * f, dh + own + p * f,
                      dc + own + p * f, work, work + f);
    }
    copy(zn, un, count * 4 * f);
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index size = c.size();
  real *z = r.kept(c.z), *dh = r.scratch(c.dh), *dc = r.scratch(c.c);
  real *waiting = r.scratch(c.waiting), *carry = r.scratch(c.carry);
  const real* x_mask = r.training && c.x_mask >= 0 ? held(r, c, c.x_mask) : nullptr;
  const real* h_mask = r.training && c.h_mask >= 0 ? held(r, c, c.h_mask) : nullptr;
  if (c.masked) zero(waiting, r.n * size);
  for (int which = 0; which < 2; ++which) {
    real* to = which ? dc : dh;
    if (c.states_out && r.dy(1 + which)) copy(r.dy(1 + which), to, r.n * size);
    else zero(to, r.n * size);
  }
  for (Index position = c.t - 1; position >= 0; --position) {
    const Index t = c.backwards ? c.t - 1 - position : position;
    add_output_gradient(r, c, t, position, dh, waiting);
    step_back(r, c, t, z, dh, dc);
    if (position == 0) break;
    convolve_back_data(r, c, c.rec, c.rec_gate, r.scratch(c.step), r.param(1), h_mask, 1, size, dh);
    if (c.masked)
      for_images(r, r.n, size, [&](Index n) {
        for (Index j = n * size; j < (n + 1) * size; ++j) dh[j] += carry[j];
      });
  }
  real* db = c.use_bias ? static_cast<real*>(r.dparam(2)) : nullptr;
  if (r.dparam(0) || db)
    convolve_back_weights(r, c, c.in, c.in_gate, r.x(), z, x_mask, c.x_size, r.dparam(0), db);
  if (r.dparam(1))
    convolve_back_weights(r, c, c.rec, c.rec_gate, r.kept(c.h_kept), z, h_mask, size, r.dparam(1),
                          nullptr);
  if (r.dx())
    convolve_back_data(r, c, c.in, c.in_gate, z, r.param(0), x_mask, c.t, c.x_size, r.dx());
}

}  // namespace

extern const OpDef op_conv_lstm;
const OpDef op_conv_lstm{"conv_lstm", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
