// The products of all pairs are made for some rows at a time, as tiles in shared memory; then a block
// takes one sample.
#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

constexpr Index kRows = 64;  // samples whose products with all others are kept at a time
constexpr int kTile = 16;

struct Config {
  Index size;
  double gamma, margin;
  bool remove_diagonal, mean;
  int near, far;  // scratch: lse of near and of far of each sample
  int cosine, share;
};

void plan(Plan& p) {
  const Shape shape = p.input(0);
  if (shape.rank != 1)
    p.fail("expected one embedding per sample, (N, D), got %d dimensions per sample", shape.rank);
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
  c.cosine = p.scratch(kRows);
  c.share = p.scratch(0, 1);
  p.output(Shape{});
}

struct Pair {
  double value, slope;  // by p_i p_j
};

__device__ inline Pair pair(const Config& c, double cosine, bool same) {
  const double d = 1 - cosine > 0 ? 1 - cosine : 0, open = 1 - cosine > 0 ? -1 : 0;
  if (same) {
    const double w = c.margin + d > 0 ? c.margin + d : 0, dw = w > 0 ? 1 : 0;
    return {-c.gamma * w * (c.margin - d), -c.gamma * (dw * (c.margin - d) - w) * open};
  }
  const double w = 1 + c.margin - d > 0 ? 1 + c.margin - d : 0, dw = w > 0 ? -1 : 0;
  return {c.gamma * w * (1 - c.margin - d), c.gamma * (dw * (1 - c.margin - d) - w) * open};
}

// ln sum e^x, one x at a time.
struct LogSum {
  double top = -static_cast<double>(INFINITY), sum = 0;
  __device__ void add(double x) {
    if (isinf(x) && x < 0) return;
    if (x > top) {
      sum = sum * exp(top - x) + 1;
      top = x;
    } else {
      sum += exp(x - top);
    }
  }
  // Of what all threads of the block added.
  __device__ double value(const Block& t) const {
    const double shift = static_cast<double>(t.max(static_cast<float>(top)));
    const double all = t.sum(sum > 0 ? sum * exp(top - shift) : 0.0);
    return all > 0 ? shift + log(all) : -static_cast<double>(INFINITY);
  }
};

__device__ inline bool same_class(const float* y, Index i, Index j) {
  return static_cast<std::int64_t>(y[i]) == static_cast<std::int64_t>(y[j]);
}

// d loss_i / d(p_i p_j)
__device__ inline double slope(const Config& c, double cosine, bool same, float near, float far) {
  if (isinf(near) || isinf(far)) return 0;
  const Pair q = pair(c, cosine, same);
  const double n = static_cast<double>(near), f = static_cast<double>(far);
  return 1 / (1 + exp(-n - f)) * exp(q.value - (same ? n : f)) * q.slope;
}

// cosine[(i - first) * n + j] = p_i p_j for i in [first, first + rows).
void products(DeviceStream* s, const float* p, Index n, Index size, Index first, Index rows, float* cosine) {
  const Index across = (n + kTile - 1) / kTile, down = (rows + kTile - 1) / kTile;
  constexpr int kWidth = kTile + 1;  // no two rows of a tile begin in one bank
  for_blocks(s, across * down, kTile * kTile, 2 * kTile * kWidth, [=] __device__(Index b, Block t) {
    float *left = t.shared, *right = left + kTile * kWidth;
    const int row = t.thread / kTile, col = t.thread % kTile;
    const Index i0 = b / across * kTile, j0 = b % across * kTile;
    float sum = 0;
    for (Index k0 = 0; k0 < size; k0 += kTile) {
      const Index k = k0 + col;
      left[row * kWidth + col] = i0 + row < rows && k < size ? p[(first + i0 + row) * size + k] : 0;
      right[row * kWidth + col] = j0 + row < n && k < size ? p[(j0 + row) * size + k] : 0;
      t.sync();
      for (int m = 0; m < kTile; ++m) sum += left[row * kWidth + m] * right[col * kWidth + m];
      t.sync();
    }
    if (i0 + row < rows && j0 + col < n) cosine[(i0 + row) * n + j0 + col] = sum;
  });
}

void forward(const Run& r) noexcept {
  const Config c = r.config<Config>();
  const float *p = r.x(0), *y = r.x(1), *scale = r.x(2);
  float *value = r.y(), *dp = r.dx(0), *near = r.scratch(c.near), *far = r.scratch(c.far);
  float *cosine = r.scratch(c.cosine), *share = r.scratch(c.share);
  const Index n = r.n;
  for (Index first = 0; first < n; first += kRows) {
    const Index rows = n - first < kRows ? n - first : kRows;
    products(r.stream, p, n, c.size, first, rows, cosine);
    for_blocks(r.stream, rows, threads_for_row(n), 0, [=] __device__(Index b, Block t) {
      const Index i = first + b;
      LogSum a, f;
      for (Index j = t.thread; j < n; j += t.threads) {
        if (i == j && c.remove_diagonal) continue;
        const bool same = same_class(y, i, j);
        const double x = pair(c, static_cast<double>(cosine[b * n + j]), same).value;
        if (same) a.add(x);
        else f.add(x);
      }
      const double of_near = a.value(t), of_far = f.value(t), x = of_near + of_far;
      if (t.thread != 0) return;
      near[i] = static_cast<float>(of_near);
      far[i] = static_cast<float>(of_far);
      value[i] = static_cast<float>((x > 0 ? x : 0) + log1p(exp(x > 0 ? -x : x)));
    });
  }
  for_blocks(r.stream, 1, kThreads, 0, [=] __device__(Index, Block t) {
    double counted = 0;
    for (Index i = t.thread; i < n; i += t.threads) counted += value[i] > 0 ? 1 : 0;
    counted = t.sum(counted);
    const float f = c.mean && counted > 0 ? static_cast<float>(static_cast<double>(n) / counted) : 1;
    for (Index i = t.thread; i < n; i += t.threads) value[i] *= f;
    if (t.thread == 0) *share = f;
  });
  if (!dp) return;
  for (Index first = 0; first < n; first += kRows) {
    const Index rows = n - first < kRows ? n - first : kRows;
    if (n > kRows) products(r.stream, p, n, c.size, first, rows, cosine);
    // The pair appears in the losses of both samples.
    for_each(r.stream, rows * n, [=] __device__(Index e) {
      const Index i = first + e / n, j = e % n;
      const bool same = same_class(y, i, j);
      const double x = static_cast<double>(cosine[e]);
      const double both = static_cast<double>(scale[i]) * slope(c, x, same, near[i], far[i]) +
                          static_cast<double>(scale[j]) * slope(c, x, same, near[j], far[j]);
      cosine[e] = i == j && c.remove_diagonal ? 0 : static_cast<float>(both * static_cast<double>(*share));
    });
    for_each(r.stream, rows * c.size, [=] __device__(Index e) {
      const Index b = e / c.size, k = e - b * c.size;
      float sum = 0;
      for (Index j = 0; j < n; ++j) sum += cosine[b * n + j] * p[j * c.size + k];
      dp[(first + b) * c.size + k] = sum;
    });
  }
}

}  // namespace

extern const OpDef loss_circle;
const OpDef loss_circle{"circle", plan, forward, nullptr};

}  // namespace pyseq::cuda
