// What a complex number a + ib (inputs 0 and 1) is shown as, with p = a^2 + b^2:
// mode "magnitude": y = sqrt(max(p, floor))   "log": y = log sqrt(max(p, floor))
//      "psd": y = 2 p, and p at both ends of the last dimension   "angle": y = atan2(b, a)
// a, b (N, ..., F)  y (N, ..., F)
#include "kernels/columns.h"

namespace pyseq::PYSEQ_NS {
namespace {

enum Mode { kMagnitude, kLog, kPsd, kAngle };

struct Config {
  Mode mode;
  real floor;
  Index rows, bins;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const char* mode = p.text("mode");
  if (mode[0] == 'm') c.mode = kMagnitude;
  else if (mode[0] == 'l') c.mode = kLog;
  else if (mode[0] == 'p') c.mode = kPsd;
  else if (mode[0] == 'a') c.mode = kAngle;
  else p.fail("expected mode \"magnitude\", \"log\", \"psd\" or \"angle\", got \"%s\"", mode);
  c.floor = static_cast<real>(p.number("floor", 0));
  if (p.inputs() != 2) p.fail("expected 2 inputs, got %d", p.inputs());
  const Shape x = p.input(0), other = p.input(1);
  bool equal = x.rank > 0 && other.rank == x.rank;
  for (int d = 0; equal && d < x.rank; ++d) equal = other[d] == x[d];
  if (!equal) p.fail("expected two inputs of one shape");
  c.rows = x.size(0, x.rank - 1);
  c.bins = x[-1];
  p.output(x);
  p.backward_reads_input(0);
  p.backward_reads_input(1);
  const double work = (c.mode == kAngle ? 32.0 : 16.0) * static_cast<double>(x.size());
  p.flops(work, work);
}

// Any finite or infinite a and b, zeros with their signs included.
PYSEQ_INLINE V atan2_v(V b, V a) {
  if constexpr (!kFloat) {
    V y;
    for (int i = 0; i < kLanes; ++i)
      y[i] =
          static_cast<real>(__builtin_atan2(static_cast<double>(b[i]), static_cast<double>(a[i])));
    return y;
  }
  constexpr float kHalfPi = 1.57079633f, kTanEighth = 0.414213562f;
  const V u = abs_v(a), v = abs_v(b);
  const V low = min_v(u, v), high = max_v(u, v);
  V t = select(low == high, splat(1), low / high);
  t = select(low == 0, V{}, t);
  // atan t = t + t^3 P(t^2) up to tan(pi / 8), pi / 4 + atan((t - 1) / (t + 1)) above; a minimax
  // fit with relative error 2^-25.
  constexpr float c[] = {-0.333329499f, 0.199777097f, -0.138776779f, 0.0805371925f};
  const VI above = t > kTanEighth;
  t = select(above, (t - 1) / (t + 1), t);
  const V z = t * t;
  V y = t * z * detail::polynomial(z, c) + t;
  y = select(above, y + splat(kHalfPi / 2), y);
  y = select(v > u, kHalfPi - y, y);
  y = select((VI)a < 0, 2 * kHalfPi - y, y);
  y = copysign_v(y, b);
  return select(a == a, select(b == b, y, b), a);
}

// The ends of rows [begin, end): frequency 0 and the highest have no mirror image to be counted.
void halve_ends(real* y, Index bins, Index begin, Index end) {
  for (Index i = begin; i < end; ++i) {
    real* row = y + i * bins;
    row[0] *= real(0.5);
    if (bins > 1) row[bins - 1] *= real(0.5);
  }
}

Index grain(const Config& c) { return 1 + 8192 / (c.bins + 1); }

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *re = r.x(0), *im = r.x(1);
  real* y = r.y();
  parallel_for(r.pool, r.n * c.rows, grain(c), [&](Index begin, Index end, int) {
    const Index first = begin * c.bins;
    for_lanes((end - begin) * c.bins, [&](Index j, auto l) __attribute__((always_inline)) {
      const V a = l.get(re + first + j), b = l.get(im + first + j);
      if (c.mode == kAngle) {
        l.put(y + first + j, atan2_v(b, a));
        return;
      }
      const V p = a * a + b * b, cut = max_v(splat(c.floor), p);
      l.put(y + first + j, c.mode == kPsd   ? 2 * p
                           : c.mode == kLog ? splat(0.5f) * log_v(cut)
                                            : sqrt_v(cut));
    });
    if (c.mode == kPsd) halve_ends(y, c.bins, begin, end);
  });
}

// d/d(a, b):  magnitude (a, b) / sqrt p   log (a, b) / p   (0 below the floor)
//             psd 4 (a, b), 2 (a, b) at the ends   angle (-b, a) / p
void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  real *da = r.dx(0), *db = r.dx(1);
  if (!da && !db) return;
  const real *re = r.x(0), *im = r.x(1), *dy = r.dy();
  parallel_for(r.pool, r.n * c.rows, grain(c), [&](Index begin, Index end, int) {
    const Index first = begin * c.bins;
    for_lanes((end - begin) * c.bins, [&](Index j, auto l) __attribute__((always_inline)) {
      const V a = l.get(re + first + j), b = l.get(im + first + j), g = l.get(dy + first + j);
      const V p = a * a + b * b;
      V f;
      if (c.mode == kPsd) f = 4 * g;
      else if (c.mode == kMagnitude) f = select(p > c.floor, g / sqrt_v(p), V{});
      else f = select(p > (c.mode == kLog ? c.floor : real(0)), g / p, V{});
      const bool angle = c.mode == kAngle;
      if (da) l.put(da + first + j, angle ? -b * f : a * f);
      if (db) l.put(db + first + j, angle ? a * f : b * f);
    });
    if (c.mode != kPsd) return;
    if (da) halve_ends(da, c.bins, begin, end);
    if (db) halve_ends(db, c.bins, begin, end);
  });
}

}  // namespace

extern const OpDef op_spectrogram;
const OpDef op_spectrogram{"spectrogram", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
