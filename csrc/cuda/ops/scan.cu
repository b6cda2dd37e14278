#include "cuda/axis.h"
#include "cuda/functions.h"

namespace pyseq::cuda {
namespace {

struct Config {
  bool product, reverse;
  Axis axis;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  c.product = function_of<int>(p, kScanNames, 2) == 1;
  c.reverse = p.flag("reverse");
  const Index given = p.integer("axis"), a = given < 0 ? given + x.rank : given;
  if (a < 0 || a >= x.rank) p.fail("expected an axis below rank %d", x.rank);
  c.axis = make_axis(x, static_cast<int>(a), static_cast<int>(a));
  p.output(x);
  p.in_place();
  if (c.product) {
    p.backward_reads_input(0);
    p.backward_reads_output(0);
  }
}

// s_i = factor_i s_{i-1} + term_i with s_{-1} = 0: running sums and products, and their gradients.
struct Link {
  float factor, term;
};
__device__ inline Link joined(const Link& first, const Link& then) {
  return {first.factor * then.factor, then.factor * first.term + then.term};
}

// Link i of the line that begins at `first` in the direction of the scan; the result goes to y.
struct Chain {
  enum Kind : int { kSum, kProduct, kProductGradient } kind;
  const float *x, *y, *dy;
  float* to;
  Index step, n;  // elements of a line, and how far apart

  __device__ Link link(Index first, Index i) const {
    const Index at = first + i * step;
    if (kind == kSum) return {1, x[at]};
    if (kind == kProduct) return i == 0 ? Link{0, x[at]} : Link{x[at], 0};
    return {i == 0 ? 0 : x[at - step], dy[at]};
  }
  // The gradient's line runs against the product's: the product before an element is the next one's.
  __device__ void put(Index first, Index i, float s) const {
    const Index at = first + i * step;
    to[at] = kind != kProductGradient ? s : i + 1 < n ? y[at + step] * s : s;
  }
};

struct ByThread {
  Chain chain;
  Axis axis;
  Index offset;
  __device__ void operator()(Index line) const {
    const Index first = axis.begin(line) + offset;
    float s = 0;
    for (Index i = 0; i < chain.n; ++i) {
      const Link l = chain.link(first, i);
      s = l.factor * s + l.term;
      chain.put(first, i, s);
    }
  }
};

// Hillis & Steele, 1986: links are joined over distances 1, 2, 4, ...; a block takes its line in
// pieces.
struct ByBlock {
  Chain chain;
  Axis axis;
  Index offset;
  __device__ void operator()(Index line, const Block& t) const {
    const Index first = axis.begin(line) + offset;
    Link* const links = reinterpret_cast<Link*>(t.shared);
    float before = 0;
    for (Index piece = 0; piece < chain.n; piece += t.threads) {
      const Index i = piece + t.thread;
      Link own = i < chain.n ? chain.link(first, i) : Link{1, 0};
      for (int d = 1; d < t.threads; d *= 2) {
        links[t.thread] = own;
        t.sync();
        if (t.thread >= d) own = joined(links[t.thread - d], own);
        t.sync();
      }
      const float s = own.factor * before + own.term;
      if (t.thread == t.threads - 1) t.shared[0] = s;
      t.sync();
      before = t.shared[0];
      if (i < chain.n) chain.put(first, i, s);
      t.sync();
    }
  }
};

void run(const Run& r, const Axis& axis, const Chain& chain, Index offset) {
  const Index lines = r.n * axis.outer * axis.step;
  if (axis.n <= 32 || lanes_for_line(axis, lines) == 1)
    for_each(r.stream, lines, ByThread{chain, axis, offset});
  else
    for_blocks(r.stream, lines, threads_for_row(axis.n), 2 * threads_for_row(axis.n),
               ByBlock{chain, axis, offset});
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index end = (c.axis.n - 1) * c.axis.step;
  const Chain chain{c.product ? Chain::kProduct : Chain::kSum, r.x(), nullptr, nullptr, r.y(),
                    c.reverse ? -c.axis.step : c.axis.step, c.axis.n};
  run(r, c.axis, chain, c.reverse ? end : 0);
}

// cumprod: dx_i = y_{i-1} s_i with s_i = dy_i + x_{i+1} s_{i+1}: right where elements are 0, too.
void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const Index end = (c.axis.n - 1) * c.axis.step, step = c.reverse ? c.axis.step : -c.axis.step;
  const Chain chain = c.product
                          ? Chain{Chain::kProductGradient, r.x(), r.y(), r.dy(), r.dx(), step, c.axis.n}
                          : Chain{Chain::kSum, r.dy(), nullptr, nullptr, r.dx(), step, c.axis.n};
  run(r, c.axis, chain, c.reverse ? 0 : end);
}

}  // namespace

extern const OpDef op_scan;
const OpDef op_scan{"scan", plan, forward, backward};

}  // namespace pyseq::cuda
