// y[o] = x[floor(o / size)] along 1 to 3 axes    x (N, ..., C)  y (N, ..., C)
#include "core/op.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index in[3], size[3], channels;

  PYSEQ_INLINE Index out(int i) const { return in[i] * size[i]; }
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  const int rank = x.rank - 1;
  if (rank < 1 || rank > 3) p.fail("expected an input of 1 to 3 spatial axes, got %d", rank);
  Index size[3];
  if (p.integers("size", size, 3, at_least(1)) != rank) p.fail("expected %d numbers in `size`", rank);
  Shape y = x;
  for (int i = 0; i < 3; ++i) c.in[i] = c.size[i] = 1;
  for (int i = 0; i < rank; ++i) {
    c.in[3 - rank + i] = x[i];
    c.size[3 - rank + i] = size[i];
    y[i] *= size[i];
  }
  c.channels = x[-1];
  p.output(y);
  p.flops(static_cast<double>(y.size()), static_cast<double>(y.size()));
}

// One row of inputs along W at a time; its copies along D and H are rows of the output.
void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index ch = c.channels, row = c.in[2] * ch, out_row = c.out(2) * ch;
  const real* x = r.x();
  real* y = r.y();
  parallel_for(r.pool, r.n * c.out(0) * c.out(1), 8192 / out_row + 1, [&](Index b, Index e, int) {
    for (Index i = b; i < e; ++i) {
      const Index h = i % c.out(1), d = i / c.out(1) % c.out(0), n = i / c.out(1) / c.out(0);
      const real* from = x + ((n * c.in[0] + d / c.size[0]) * c.in[1] + h / c.size[1]) * row;
      real* to = y + i * out_row;
      for (Index w = 0; w < c.in[2]; ++w)
        for (Index k = 0; k < c.size[2]; ++k, to += ch)
          for (Index j = 0; j < ch; ++j) to[j] = from[w * ch + j];
    }
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const Index ch = c.channels, row = c.in[2] * ch, out_row = c.out(2) * ch;
  const real* dy = r.dy();
  real* dx = r.dx();
  parallel_for(r.pool, r.n * c.in[0] * c.in[1], 8192 / row + 1, [&](Index b, Index e, int) {
    for (Index i = b; i < e; ++i) {
      const Index h = i % c.in[1], d = i / c.in[1] % c.in[0], n = i / c.in[1] / c.in[0];
      real* to = dx + i * row;
      __builtin_memset(to, 0, sizeof(real) * static_cast<std::size_t>(row));
      for (Index kd = 0; kd < c.size[0]; ++kd)
        for (Index kh = 0; kh < c.size[1]; ++kh) {
          const Index od = d * c.size[0] + kd, oh = h * c.size[1] + kh;
          const real* from = dy + ((n * c.out(0) + od) * c.out(1) + oh) * out_row;
          for (Index w = 0; w < c.in[2]; ++w)
            for (Index k = 0; k < c.size[2]; ++k, from += ch)
              for (Index j = 0; j < ch; ++j) to[w * ch + j] += from[j];
        }
    }
  });
}

}  // namespace

extern const OpDef op_upsample;
const OpDef op_upsample{"upsample", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
