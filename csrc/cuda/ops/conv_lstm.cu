// z = conv(x, K) + b + conv_same(h, R) in gates i, f, g, o; c = rec(f) c + rec(i) act(g);
// h = rec(o) act(c). One convolution for the inputs of all steps, one and the gates for each step.
#include "cuda/conv.h"
#include "cuda/divide.h"
#include "cuda/random.h"
#include "cuda/rnn.h"

namespace pyseq::cuda {
namespace {

struct Config {
  ConvShape in, rec;            // of all gates
  ConvShape in_gate, rec_gate;  // of one gate, for dropout
  GateMath math;
  Index t, f, pixels, x_size;  // x_size: elements of one input image
  bool use_bias, sequences, backwards, masked, zero_masked, stateful, states_out, trains, keep_pre;
  bool mask_per_pixel;
  double dropout, recurrent_dropout;
  std::int64_t seed;
  Index state_rows;
  // Buffers; kept where the plan trains, scratch otherwise; -1 where there is none.
  int z, x_mask, h_mask, pre, h_kept, c_kept, act_c;
  // Scratch.
  int h, c, step, dh, waiting, carry, parts;
  int images, slice, weights;  // dropped images, one gate of an output, one gate of a kernel

  Index size() const { return pixels * f; }
};

// `j` counts the units of an image, f to a pixel; z has the gates of a pixel side by side. Steps::u is
// the size of an image and Steps::w the units of a pixel.
struct Cell {
  static constexpr int kStates = 2;

  static __device__ Index z_of(const Steps& s, Index at, Index j) {
    const Index unit = j % s.w;
    return (at * s.u + j - unit) * 4 + unit;
  }
  static __device__ void forward(const Steps& s, Index at, Index j, float* a, float, float& h, float& c) {
    const Index z = z_of(s, at, j);
    if (s.pre)
      for (int g = 0; g < 4; ++g) s.pre[z + g * s.w] = a[g];
    float act_c;
    h = lstm_gates(s.math, a, c, act_c);
    if (!s.h) return;
    for (int g = 0; g < 4; ++g) s.z[z + g * s.w] = a[g];
    s.act_c[at * s.u + j] = act_c;
  }
};

int hold(Plan& p, Index per_row) { return p.training() ? p.keep(per_row) : p.scratch(per_row); }
float* held(const Run& r, const Config& c, int number) {
  if (number < 0) return nullptr;
  return c.trains ? r.kept(number) : r.scratch(number);
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

Index larger(Index a, Index b) { return a > b ? a : b; }

void book(Plan& p, Config& c) {
  const Index size = c.size();
  const bool dropping = c.dropout > 0 || c.recurrent_dropout > 0;
  c.z = hold(p, c.t * 4 * size);
  c.x_mask = c.dropout > 0 ? hold(p, 4 * c.x_size) : -1;
  c.h_mask = c.recurrent_dropout > 0 ? hold(p, 4 * size) : -1;
  c.pre = c.trains && c.keep_pre ? p.keep(c.t * 4 * size) : -1;
  c.h_kept = c.trains ? p.keep(c.t * size) : -1;
  c.c_kept = c.trains ? p.keep(c.t * size) : -1;
  c.act_c = c.trains ? p.keep(c.t * size) : -1;
  c.h = p.scratch(size);
  c.c = p.scratch(size);
  c.step = p.scratch(4 * size);
  if (c.trains) {
    c.dh = p.scratch(size);
    c.waiting = p.scratch(size);
    c.carry = p.scratch(size);
    Index parts = column_scratch<Sums<1>>();
    for (const ConvShape* s : {&c.in, &c.rec, &c.in_gate, &c.rec_gate})
      parts = larger(parts, conv_weight_gradient_scratch(*s).fixed);
    c.parts = p.scratch(0, parts);
  }
  if (!dropping) return;
  const Index image = larger(c.x_size, size);
  c.images = p.scratch(c.t * image);
  c.slice = p.scratch(c.t * size);
  c.weights = p.scratch(0, larger(c.in.depth(), c.rec.depth()) * c.f);
}

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  Shape image;
  for (int i = 1; i < x.rank; ++i) image.push(x[i]);
  c.t = x[0];
  c.x_size = image.size();
  c.in = conv_shape_from(p, image, p.param(0));
  c.f = c.in.filters / 4;
  c.pixels = c.in.out_pixels();
  c.rec = recurrent_shape(c.in);
  c.in_gate = c.in;
  c.rec_gate = c.rec;
  c.in_gate.filters = c.rec_gate.filters = c.f;
  if (c.in.filters % 4 || p.param(1).size() != c.rec.depth() * c.rec.filters)
    p.fail("expected kernels (k..., C, 4F) and (k..., F, 4F)");
  c.use_bias = p.flag("use_bias", true);
  c.sequences = p.flag("return_sequences");
  c.backwards = p.flag("go_backwards");
  c.masked = p.inputs() > 1;
  c.mask_per_pixel = c.masked && p.input(1).size() != c.t;
  if (c.mask_per_pixel && p.input(1).size() != c.t * c.pixels)
    p.fail("expected a mask for each step or each pixel of the output");
  c.zero_masked = p.flag("zero_output_for_mask");
  c.stateful = p.flag("stateful");
  c.states_out = p.flag("return_state");
  c.trains = p.training();
  c.math =
      gate_math(activation_from(p), activation_from(p, "recurrent_activation", "recurrent_activation_args"));
  c.keep_pre = !c.math.act_y || !c.math.rec_y;
  c.dropout = p.number("dropout", 0);
  c.recurrent_dropout = p.number("recurrent_dropout", 0);
  c.seed = p.has("seed") ? static_cast<std::int64_t>(p.seed()) : 0;
  for (int k = 0; c.stateful && k < 2; ++k) {
    c.state_rows = p.param(2 + c.use_bias + k)[0];
    p.writes_param(2 + c.use_bias + k);
  }
  book(p, c);

  Shape state;
  for (int i = 3 - (image.rank - 1); i < 3; ++i) state.push(c.in.axis[i].out);
  state.push(c.f);
  Shape y;
  if (c.sequences) y.push(c.t);
  for (int i = 0; i < state.rank; ++i) y.push(state[i]);
  p.output(y);
  for (int k = 0; c.states_out && k < 2; ++k) p.output(state);
  p.backward_reads_input(0);
  if (c.masked) p.backward_reads_input(1);
}

// (N, size) factors: 0 or 1 / (1 - rate), the same bits as on the CPU.
void draw(const Run& r, const Config& c, double rate, int stream, Index size, float* out) {
  const RandomKey key{
      static_cast<std::uint64_t>(c.seed) + 0x9E3779B97F4A7C15u * static_cast<std::uint64_t>(stream + 1), r.op,
      r.stream->state};
  const auto threshold = static_cast<float>(rate);
  const float scale = rate < 1 ? static_cast<float>(1 / (1 - rate)) : 0.0f;
  for_each(r.stream, r.n * size,
           [=] __device__(Index i) { out[i] = random_uniform(key, i) < threshold ? 0.0f : scale; });
}

// out (= or +=) x times the factors of one gate; `steps` images of each sample share them.
void drop(const Run& r, const float* x, const float* factors, int gate, Index steps, Index size, bool adds,
          float* out) {
  const Divider by_size(size), by_steps(steps);
  for_each(r.stream, r.n * steps * size, [=] __device__(Index i) {
    const Index image = by_size.quotient(i);
    const float v = x[i] * factors[(by_steps.quotient(image) * 4 + gate) * size + (i - image * size)];
    out[i] = adds ? out[i] + v : v;
  });
}

// Columns of one gate of (rows, 4F), to and from (rows, F).
void take_gate(const Run& r, const float* all, Index rows, Index f, int gate, float* one) {
  const Divider by_f(f);
  for_each(r.stream, rows * f, [=] __device__(Index i) {
    const Index row = by_f.quotient(i);
    one[i] = all[(row * 3 + gate) * f + i];
  });
}
void put_gate(const Run& r, const float* one, Index rows, Index f, int gate, float* all) {
  const Divider by_f(f);
  for_each(r.stream, rows * f, [=] __device__(Index i) {
    const Index row = by_f.quotient(i);
    all[(row * 3 + gate) * f + i] = one[i];
  });
}

// out (N * steps images of 4F) = conv(x, w), with dropout factors where they are not null.
void convolve(const Run& r, const Config& c, const ConvShape& all, const ConvShape& gate, const float* x,
              const float* w, const float* bias, const float* factors, Index steps, Index size, float* out) {
  ConvTarget to;
  if (!factors) {
    to.y = out, to.bias = bias;
    return conv_forward(r.stream, all, r.n * steps, x, w, to);
  }
  float *const images = r.scratch(c.images), *const slice = r.scratch(c.slice),
               *const weights = r.scratch(c.weights);
  for (int g = 0; g < 4; ++g) {
    drop(r, x, factors, g, steps, size, false, images);
    take_gate(r, w, gate.depth(), c.f, g, weights);
    to.y = slice, to.bias = bias ? bias + g * c.f : nullptr;
    conv_forward(r.stream, gate, r.n * steps, images, weights, to);
    put_gate(r, slice, r.n * steps * c.pixels, c.f, g, out);
  }
}

// dx (N * steps images) of `convolve`.
void convolve_back_data(const Run& r, const Config& c, const ConvShape& all, const ConvShape& gate,
                        const float* dy, const float* w, const float* factors, Index steps, Index size,
                        float* dx) {
  ConvTarget to;
  if (!factors) {
    to.y = dx;
    return conv_data_gradient(r.stream, all, r.n * steps, dy, w, to);
  }
  float *const images = r.scratch(c.images), *const slice = r.scratch(c.slice),
               *const weights = r.scratch(c.weights);
  to.y = images;
  for (int g = 0; g < 4; ++g) {
    take_gate(r, dy, r.n * steps * c.pixels, c.f, g, slice);
    take_gate(r, w, gate.depth(), c.f, g, weights);
    conv_data_gradient(r.stream, gate, r.n * steps, slice, weights, to);
    drop(r, images, factors, g, steps, size, g > 0, dx);
  }
}

void convolve_back_weights(const Run& r, const Config& c, const ConvShape& all, const ConvShape& gate,
                           const float* x, const float* dy, const float* factors, Index size, float* dw) {
  float* const parts = r.scratch(c.parts);
  if (!factors) return conv_weight_gradient(r.stream, all, r.n * c.t, x, dy, dw, parts);
  float *const images = r.scratch(c.images), *const slice = r.scratch(c.slice),
               *const weights = r.scratch(c.weights);
  for (int g = 0; g < 4; ++g) {
    drop(r, x, factors, g, c.t, size, false, images);
    take_gate(r, dy, r.n * c.t * c.pixels, c.f, g, slice);
    conv_weight_gradient(r.stream, gate, r.n * c.t, images, slice, weights, parts);
    put_gate(r, weights, gate.depth(), c.f, g, dw);
  }
}

Steps steps_of(const Run& r, const Config& c) {
  Steps s{};
  s.n = r.n, s.t = c.t, s.u = c.size(), s.w = c.f;
  s.gates = 4, s.states = 2;
  s.state_rows = c.state_rows;
  s.sequences = c.sequences, s.backwards = c.backwards, s.masked = c.masked, s.zero_masked = c.zero_masked;
  s.math = c.math;
  s.z = held(r, c, c.z);
  s.pre = held(r, c, c.pre);
  s.h = held(r, c, c.h_kept);
  s.c = held(r, c, c.c_kept);
  s.act_c = held(r, c, c.act_c);
  if (c.masked) s.mask = r.x(1);
  s.mask_group = c.mask_per_pixel ? c.f : 0;
  return s;
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index size = c.size();
  Steps s = steps_of(r, c);
  for (int k = 0; k < 2; ++k) {
    if (c.stateful) s.state[k] = r.param(2 + c.use_bias + k);
    if (c.states_out) s.last[k] = r.y(1 + k);
  }
  s.y = r.y();
  float *const h = r.scratch(c.h), *const cell = r.scratch(c.c), *const product = r.scratch(c.step);
  float* const x_mask = r.training ? held(r, c, c.x_mask) : nullptr;
  float* const h_mask = r.training ? held(r, c, c.h_mask) : nullptr;
  if (x_mask) draw(r, c, c.dropout, 0, 4 * c.x_size, x_mask);
  if (h_mask) draw(r, c, c.recurrent_dropout, 1, 4 * size, h_mask);
  const float* const bias = c.use_bias ? static_cast<const float*>(r.param(2)) : nullptr;
  convolve(r, c, c.in, c.in_gate, r.x(), r.param(0), bias, x_mask, c.t, c.x_size, s.z);
  const Divider by_size(size);
  for_each(r.stream, r.n * size, [=] __device__(Index i) {
    const Index row = by_size.quotient(i), j = i - row * size;
    h[i] = s.initial(0, row, j);
    cell[i] = s.initial(1, row, j);
  });
  for (Index position = 0; position < c.t; ++position) {
    convolve(r, c, c.rec, c.rec_gate, h, r.param(1), nullptr, h_mask, 1, size, product);
    for_each(r.stream, r.n * size, [=] __device__(Index i) {
      const Index row = by_size.quotient(i), j = i - row * size;
      const Index from = Cell::z_of(s, row * s.t + s.time(position), j), own = Cell::z_of(s, row, j);
      float a[4];
      for (int g = 0; g < 4; ++g) a[g] = s.z[from + g * s.w] + product[own + g * s.w];
      step_forward<Cell>(s, row, position, j, a, 0, h[i], cell[i]);
    });
  }
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index size = c.size();
  Steps s = steps_of(r, c);
  s.dy = r.dy();
  for (int k = 0; c.states_out && k < 2; ++k) s.dlast[k] = r.dy(1 + k);
  float *const dh = r.scratch(c.dh), *const dc = r.scratch(c.c), *const product = r.scratch(c.step);
  float *const waiting = r.scratch(c.waiting), *const carry = r.scratch(c.carry);
  const float* const x_mask = r.training ? held(r, c, c.x_mask) : nullptr;
  const float* const h_mask = r.training ? held(r, c, c.h_mask) : nullptr;
  for_each(r.stream, r.n * size, [=] __device__(Index i) {
    dh[i] = s.dlast[0] ? s.dlast[0][i] : 0.0f;
    dc[i] = s.dlast[1] ? s.dlast[1][i] : 0.0f;
    waiting[i] = carry[i] = 0;
  });
  const Divider by_size(size);
  for (Index position = c.t - 1; position >= 0; --position) {
    for_each(r.stream, r.n * size, [=] __device__(Index i) {
      const Index row = by_size.quotient(i), j = i - row * size, at = row * s.t + s.time(position);
      const Index from = Cell::z_of(s, at, j), own = Cell::z_of(s, row, j);
      const bool skips = s.skips(at, j);
      float g = dh[i] + carry[i], a[4] = {};
      add_output_gradient(s, row, position, j, skips, g, waiting[i]);
      if (!skips) {
        for (int k = 0; k < 4; ++k) a[k] = s.z[from + k * s.w];
        lstm_gates_back(s.math, a, s.pre ? s.pre + from : nullptr, s.w, s.c[at * s.u + j],
                        s.act_c[at * s.u + j], g, dc[i]);
      }
      // The state of a masked step went through unchanged.
      carry[i] = skips ? g : 0.0f;
      for (int k = 0; k < 4; ++k) s.z[from + k * s.w] = product[own + k * s.w] = a[k];
    });
    if (position > 0) convolve_back_data(r, c, c.rec, c.rec_gate, product, r.param(1), h_mask, 1, size, dh);
  }
  if (c.use_bias && r.dparam(2))
    sum_rows(r.stream, s.z, r.n * c.t * c.pixels, 4 * c.f, r.dparam(2), r.scratch(c.parts));
  if (r.dparam(0)) convolve_back_weights(r, c, c.in, c.in_gate, r.x(), s.z, x_mask, c.x_size, r.dparam(0));
  if (r.dparam(1)) convolve_back_weights(r, c, c.rec, c.rec_gate, s.h, s.z, h_mask, size, r.dparam(1));
  if (r.dx()) convolve_back_data(r, c, c.in, c.in_gate, s.z, r.param(0), x_mask, c.t, c.x_size, r.dx());
}

}  // namespace

extern const OpDef op_conv_lstm;
const OpDef op_conv_lstm{"conv_lstm", plan, forward, backward};

}  // namespace pyseq::cuda
