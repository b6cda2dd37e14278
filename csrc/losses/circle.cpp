// softplus(lse_j near_ij + lse_k far_ik) for each sample i    p (N, D) of norm 1  y (N) classes
// d_ij = max(1 - p_i p_j, 0), m = margin; over partners j of i's class and k of other classes:
// near = -gamma max(m + d, 0)(m - d)    far = gamma max(1 + m - d, 0)(1 - m - d)
// The weights max(.) have a gradient too, as in Keras. Samples whose loss is 0 do not dilute the
// mean: unless attribute `reduction` is "sum", the others are multiplied by N / (their number).
#include "kernels/loss_util.h"
#include "kernels/vmath.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr double kInfinity = __builtin_inf();

struct Config {
  Index size;
  double gamma, margin;
  bool remove_diagonal, mean;
  int near, far;  // scratch: lse of near and of far of each sample
};

PYSEQ_INLINE real dot(const real* a, const real* b, Index n) {
  V s{};
  Index k = 0;
  for (; k + kLanes <= n; k += kLanes) s += load(a + k) * load(b + k);
  if (k < n) {
    const int rest = static_cast<int>(n - k);
    s += load_partial(a + k, rest) * load_partial(b + k, rest);
  }
  return horizontal_sum(s);
}

// ln sum e^x, one x at a time.
struct LogSum {
  double top = -kInfinity, sum = 0;
  PYSEQ_INLINE void add(double x) {
    if (x == -kInfinity) return;
    if (x > top) {
      sum = sum * __builtin_exp(top - x) + 1;
      top = x;
    } else {
      sum += __builtin_exp(x - top);
    }
  }
  PYSEQ_INLINE double value() const { return sum > 0 ? top + __builtin_log(sum) : -kInfinity; }
};

struct Pair {
  double value, slope;  // by p_i p_j
};

PYSEQ_INLINE Pair pair(const Config& c, double cosine, bool same) {
  const double d = 1 - cosine > 0 ? 1 - cosine : 0, open = 1 - cosine > 0 ? -1 : 0;
  if (same) {
    const double w = c.margin + d > 0 ? c.margin + d : 0, dw = w > 0 ? 1 : 0;
    return {-c.gamma * w * (c.margin - d), -c.gamma * (dw * (c.margin - d) - w) * open};
  }
  const double w = 1 + c.margin - d > 0 ? 1 + c.margin - d : 0, dw = w > 0 ? -1 : 0;
  return {c.gamma * w * (1 - c.margin - d), c.gamma * (dw * (1 - c.margin - d) - w) * open};
}

PYSEQ_INLINE double softplus(double x) {
  return (x > 0 ? x : 0) + __builtin_log1p(__builtin_exp(x > 0 ? -x : x));
}
PYSEQ_INLINE double sigmoid(double x) { return 1 / (1 + __builtin_exp(-x)); }

// d loss_i / d(p_i p_j)
PYSEQ_INLINE double slope(const Config& c, double cosine, bool same, double near, double far) {
  if (near == -kInfinity || far == -kInfinity) return 0;
  const Pair q = pair(c, cosine, same);
  return sigmoid(near + far) * __builtin_exp(q.value - (same ? near : far)) * q.slope;
}

void plan(Plan& p) {
  const Shape shape = p.input(0);
  if (shape.rank != 1)
    p.fail(
        "expected one embedding per sample, (N, D), got %d dimensions per sample; end the model "
        "in a layer without time steps or positions",
        shape.rank);
  if (p.input(1).size() != 1)
    p.fail("expected one integer class per sample, got %lld numbers",
           static_cast<long long>(p.input(1).size()));
  Config& c = p.config<Config>();
  c.size = shape[0];
  c.gamma = p.number("gamma", 80.0);
  c.margin = p.number("margin", 0.4);
  c.remove_diagonal = p.flag("remove_diagonal", true);
  c.mean = !adds_rows(p);
  c.near = p.scratch(1);
  c.far = p.scratch(1);
  p.output(Shape{});
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *p = r.x(0), *y = r.x(1), *scale = r.x(2);
  real *value = r.y(), *dp = r.dx(0), *near = r.scratch(c.near), *far = r.scratch(c.far);
  const auto same = [&](Index i, Index j) {
    return static_cast<std::int64_t>(y[i]) == static_cast<std::int64_t>(y[j]);
  };
  parallel_for(r.pool, r.n, 4, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      LogSum a, b;
      for (Index j = 0; j < r.n; ++j) {
        if (i == j && c.remove_diagonal) continue;
        const bool s = same(i, j);
        const double cosine = static_cast<double>(dot(p + i * c.size, p + j * c.size, c.size));
        (s ? a : b).add(pair(c, cosine, s).value);
      }
      near[i] = static_cast<real>(a.value());
      far[i] = static_cast<real>(b.value());
      value[i] = static_cast<real>(softplus(a.value() + b.value()));
    }
  });
  Index counted = 0;
  for (Index i = 0; i < r.n; ++i) counted += value[i] > 0;
  const double share =
      c.mean && counted > 0 ? static_cast<double>(r.n) / static_cast<double>(counted) : 1;
  for (Index i = 0; i < r.n; ++i) value[i] *= static_cast<real>(share);
  if (!dp) return;
  parallel_for(r.pool, r.n, 4, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      real* d = dp + i * c.size;
      for (Index k = 0; k < c.size; ++k) d[k] = 0;
      for (Index j = 0; j < r.n; ++j) {
        if (i == j && c.remove_diagonal) continue;
        const bool s = same(i, j);
        const double cosine = static_cast<double>(dot(p + i * c.size, p + j * c.size, c.size));
        // The pair appears in the losses of both samples.
        const double both = static_cast<double>(scale[i]) * slope(c, cosine, s, near[i], far[i]) +
                            static_cast<double>(scale[j]) * slope(c, cosine, s, near[j], far[j]);
        const real f = static_cast<real>(both * share);
        if (f != 0) map2(p + j * c.size, d, d, c.size, [f](V x, V g) { return g + f * x; });
      }
    }
  });
}

}  // namespace

extern const OpDef loss_circle;
const OpDef loss_circle{"circle", plan, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
