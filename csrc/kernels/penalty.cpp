#include "kernels/penalty.h"

#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kChunks = 64, kMinChunk = 8192, kBlock = 4096;
constexpr real kSmallestNorm = static_cast<real>(1e-7);  // Keras divides by max(norm, epsilon)

// The partial sums of fixed chunks, so that their order does not depend on the workers.
struct Partial {
  double sum[kChunks] = {};
  PYSEQ_INLINE double total() const {
    double s = 0;
    for (Index i = 0; i < kChunks; ++i) s += sum[i];
    return s;
  }
};

PYSEQ_INLINE V sign_v(V x) { return select(x > 0, splat(1), select(x < 0, splat(-1), V{})); }

double l1_l2(Pool* pool, real l1, real l2, Index n, const real* w, real* g) {
  Index chunk = (n + kChunks - 1) / kChunks;
  if (chunk < kMinChunk) chunk = kMinChunk;
  const Index chunks = (n + chunk - 1) / chunk;
  Partial partial;
  parallel_for(pool, chunks, 1, [&](Index begin, Index end, int) {
    for (Index c = begin; c < end; ++c) {
      const Index last = (c + 1) * chunk < n ? (c + 1) * chunk : n;
      double sum = 0;
      for (Index b = c * chunk; b < last; b += kBlock) {
        const Index stop = b + kBlock < last ? b + kBlock : last;
        V v{};
        Index i = b;
        const auto one = [&](V x, V old) {
          v += l1 * abs_v(x) + l2 * x * x;
          return old + l1 * sign_v(x) + 2 * l2 * x;
        };
        for (; i + kLanes <= stop; i += kLanes) {
          const V d = one(load(w + i), g ? load(g + i) : V{});
          if (g) store(g + i, d);
        }
        if (i < stop) {
          const int rest = static_cast<int>(stop - i);
          const V d = one(load_partial(w + i, rest), g ? load_partial(g + i, rest) : V{});
          if (g) store_partial(g + i, d, rest);
        }
        sum += static_cast<double>(horizontal_sum(v));
      }
      partial.sum[c] = sum;
    }
  });
  return partial.total();
}

PYSEQ_INLINE real inverse_norm(real squares) {
  const real norm = kFloat ? static_cast<real>(__builtin_sqrtf(static_cast<float>(squares)))
                           : static_cast<real>(__builtin_sqrt(static_cast<double>(squares)));
  return 1 / (norm > kSmallestNorm ? norm : kSmallestNorm);
}

PYSEQ_INLINE void add_scaled(const real* x, real a, real* y, Index n) {
  map2(x, y, y, n, [a](V u, V v) { return v + a * u; });
}

// A vector u_i = w_i / |w_i| meets every other one: d|u_i u_j| / dw_i = s (u_j - u_i cos) / |w_i|.
// Norms are recomputed for each pair, which costs less than a place to keep them.
void orthogonal_row(const real* w, Index n, Index d, Index i, real weight, real* g, double* value) {
  const real* a = w + i * d;
  V squares{};
  Index k = 0;
  for (; k + kLanes <= d; k += kLanes) squares += load(a + k) * load(a + k);
  if (k < d) {
    const V t = load_partial(a + k, static_cast<int>(d - k));
    squares += t * t;
  }
  const real own = inverse_norm(horizontal_sum(squares));
  real back = 0;
  double sum = 0;
  for (Index j = 0; j < n; ++j) {
    if (j == i) continue;
    const real* b = w + j * d;
    V dot{}, sq{};
    for (k = 0; k + kLanes <= d; k += kLanes) {
      const V y = load(b + k);
      dot += load(a + k) * y;
      sq += y * y;
    }
    if (k < d) {
      const int rest = static_cast<int>(d - k);
      const V y = load_partial(b + k, rest);
      dot += load_partial(a + k, rest) * y;
      sq += y * y;
    }
    const real other = inverse_norm(horizontal_sum(sq));
    const real cosine = horizontal_sum(dot) * own * other;
    const real sign = cosine > 0 ? real(1) : cosine < 0 ? real(-1) : real(0);
    sum += static_cast<double>(cosine * sign);
    back += cosine * sign;
    if (g) add_scaled(b, weight * sign * own * other, g + i * d, d);
  }
  if (g) add_scaled(a, -weight * back * own * own, g + i * d, d);
  *value += sum;
}

// The same for columns of w (d, n): lanes hold neighbouring columns.
void orthogonal_column(const real* w, Index n, Index d, Index i, real weight, real* g,
                       double* value) {
  real squares = 0;
  for (Index k = 0; k < d; ++k) squares += w[k * n + i] * w[k * n + i];
  const real own = inverse_norm(squares);
  V back{};
  for (Index j = 0; j < n; j += kLanes) {
    const int width = static_cast<int>(n - j < kLanes ? n - j : kLanes);
    V dot{}, sq{};
    for (Index k = 0; k < d; ++k) {
      const V y = load_partial(w + k * n + j, width);
      dot += w[k * n + i] * y;
      sq += y * y;
    }
    const VI used =
        (lane_numbers() < width) & (lane_numbers() + static_cast<Lane>(j) != static_cast<Lane>(i));
    const V norm = sqrt_v(sq);
    const V other = 1 / max_v(splat(kSmallestNorm), norm);
    const V cosine = select(used, dot * own * other, V{});
    const V sign = sign_v(cosine);
    back += cosine * sign;
    if (!g) continue;
    const V factor = weight * own * other * sign;
    for (Index k = 0; k < d; ++k)
      g[k * n + i] += horizontal_sum(factor * load_partial(w + k * n + j, width));
  }
  const real total = horizontal_sum(back);
  for (Index k = 0; g && k < d; ++k) g[k * n + i] -= weight * total * own * own * w[k * n + i];
  *value += static_cast<double>(total);
}

double orthogonality(Pool* pool, double factor, bool rows, const Shape& shape, const real* w,
                     real* g) {
  const Index n = rows ? shape[0] : shape[1], d = rows ? shape[1] : shape[0];
  if (n < 2) return 0;
  const double each = factor / (static_cast<double>(n) * static_cast<double>(n - 1));
  // Both w_i and w_j see the pair: twice the weight of one ordered pair.
  const real weight = static_cast<real>(2 * each);
  const Index chunk = (n + kChunks - 1) / kChunks, chunks = (n + chunk - 1) / chunk;
  Partial partial;
  parallel_for(pool, chunks, 1, [&](Index begin, Index end, int) {
    for (Index c = begin; c < end; ++c)
      for (Index i = c * chunk; i < (c + 1) * chunk && i < n; ++i)
        if (rows) orthogonal_row(w, n, d, i, weight, g, &partial.sum[c]);
        else orthogonal_column(w, n, d, i, weight, g, &partial.sum[c]);
  });
  return each * partial.total();
}

}  // namespace

double penalty(Pool* pool, double l1, double l2, double orthogonal, bool rows, const Shape& shape,
               const void* w, void* g) {
  double value = 0;
  if (l1 != 0 || l2 != 0)
    value += l1_l2(pool, static_cast<real>(l1), static_cast<real>(l2), shape.size(),
                   static_cast<const real*>(w), static_cast<real*>(g));
  if (orthogonal != 0 && shape.rank == 2)
    value += orthogonality(pool, orthogonal, rows, shape, static_cast<const real*>(w),
                           static_cast<real*>(g));
  return value;
}

}  // namespace pyseq::PYSEQ_NS
