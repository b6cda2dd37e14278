// Weight regularizers and constraints; see kernels/penalty.h and kernels/constraint.h.
#include "cuda/divide.h"
#include "cuda/rows.h"
#include "cuda/step.h"
#include "cuda/total.h"

namespace pyseq::cuda {
namespace {

void l1_l2(DeviceStream* s, const DevicePenalty& p) {
  const float l1 = static_cast<float>(p.l1), l2 = static_cast<float>(p.l2);
  const float* w = p.w;
  float* g = p.g;
  double* value = p.value;
  total(
      s, p.shape.size(),
      [=] __device__(Index i) -> double {
        const float x = w[i], sign = x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f;
        if (g) g[i] += l1 * sign + 2 * l2 * x;
        return static_cast<double>(l1 * fabsf(x) + l2 * x * x);
      },
      [=] __device__(double sum) { *value += sum; });
}

// Vectors of a matrix: element k of vector i is w[i * vector + k * element].
struct Vectors {
  const float* w;
  Index n, d, vector, element;
  __device__ float at(Index i, Index k) const { return w[i * vector + k * element]; }
};

// A vector u_i = w_i / |w_i| meets every other one: d|u_i u_j| / dw_i = s (u_j - u_i cos) / |w_i|. A
// block takes one vector; a thread meets one other vector at a time.
struct OrthogonalKernel {
  Vectors v;
  const float* inverse;  // 1 / norm
  float weight;
  float* g;
  double* sums;  // of |cos| for each vector

  __device__ void operator()(Index i, const Block& t) const {
    const float own = inverse[i];
    double sum = 0;
    for (Index first = 0; first < v.n; first += t.threads) {
      const Index j = first + t.thread;
      float factor = 0;
      if (j < v.n && j != i) {
        float dot = 0;
        for (Index k = 0; k < v.d; ++k) dot += v.at(i, k) * v.at(j, k);
        const float cosine = dot * own * inverse[j];
        const float sign = cosine > 0 ? 1.0f : cosine < 0 ? -1.0f : 0.0f;
        sum += static_cast<double>(cosine * sign);
        factor = weight * sign * own * inverse[j];
      }
      if (!g) continue;
      t.shared[t.thread] = factor;
      t.sync();
      const Index met = v.n - first < t.threads ? v.n - first : t.threads;
      for (Index k = t.thread; k < v.d; k += t.threads) {
        float push = 0;
        for (Index m = 0; m < met; ++m) push += t.shared[m] * v.at(first + m, k);
        g[i * v.vector + k * v.element] += push;
      }
      t.sync();
    }
    sum = t.sum(sum);
    if (t.thread == 0) sums[i] = sum;
    if (!g) return;
    const float back = weight * static_cast<float>(sum) * own * own;
    for (Index k = t.thread; k < v.d; k += t.threads)
      g[i * v.vector + k * v.element] -= back * v.at(i, k);
  }
};

void orthogonality(DeviceStream* s, const DevicePenalty& p) {
  const Index rows = p.shape[0], cols = p.shape[1];
  const Vectors v = p.rows ? Vectors{p.w, rows, cols, cols, 1} : Vectors{p.w, cols, rows, 1, cols};
  if (v.n < 2) return;
  double* const sums = results(s) + 8;
  float* const inverse = reinterpret_cast<float*>(sums + v.n);
  for_rows(s, v.n, v.d, p.rows ? lanes_for_row(v.n, v.d) : 1, [=] __device__(Index i, Team team) {
    float squares = 0;
    for (Index k = team.lane; k < team.n; k += team.lanes) squares += v.at(i, k) * v.at(i, k);
    squares = team.sum(squares);
    // Keras divides by max(norm, epsilon).
    if (team.leads) inverse[i] = 1 / fmaxf(sqrtf(squares), 1e-7f);
  });
  const double each = p.orthogonal / (static_cast<double>(v.n) * static_cast<double>(v.n - 1));
  // Both w_i and w_j see the pair: twice the weight of one ordered pair.
  for_blocks(s, v.n, kThreads, kThreads,
             OrthogonalKernel{v, inverse, static_cast<float>(2 * each), p.g, sums});
  double* const value = p.value;
  total(s, v.n, [=] __device__(Index i) -> double { return sums[i]; },
        [=] __device__(double sum) { *value += each * sum; });
}

// What a vector of this norm is multiplied by.
struct Norm {
  int kind;
  float low, high, rate;

  __device__ static float clamp(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
  }
  __device__ float factor(float norm) const {
    float wanted = 1;
    if (kind == 0) wanted = clamp(norm, 0, high);
    if (kind == 2) wanted = rate * clamp(norm, low, high) + (1 - rate) * norm;
    return wanted / (norm + 1e-7f);
  }
};

}  // namespace

void penalty(DeviceStream* s, const DevicePenalty& p) {
  if (p.l1 != 0 || p.l2 != 0) l1_l2(s, p);
  if (p.orthogonal != 0 && p.shape.rank == 2) orthogonality(s, p);
}

void constrain(DeviceStream* s, const DeviceConstraint& c) {
  float* w = c.w;
  const Index size = c.shape.size();
  if (size == 0) return;
  if (c.kind == 3) {
    for_each(s, size, [=] __device__(Index i) { w[i] = w[i] < 0 ? 0 : w[i]; });
    return;
  }
  const int rank = c.shape.rank;
  bool reduce[kMaxRank] = {};
  for (int i = 0; i < c.axis_count; ++i) reduce[c.axes[i] < 0 ? c.axes[i] + rank : c.axes[i]] = true;
  Index dim[2][kMaxRank], stride[2][kMaxRank], count[2] = {1, 1};
  int ranks[2] = {};
  for (int i = 0; i < rank; ++i) {
    const int k = reduce[i];
    dim[k][ranks[k]] = c.shape.dim[i];
    stride[k][ranks[k]++] = c.shape.size(i + 1, rank);
    count[k] *= c.shape.dim[i];
  }
  const Strided kept = strided(ranks[0], dim[0], stride[0], 0);
  const Strided reduced = strided(ranks[1], dim[1], stride[1], 0);
  const Norm norm{c.kind, static_cast<float>(c.min_value), static_cast<float>(c.max_value),
                  static_cast<float>(c.rate)};
  // Neighbouring threads take neighbouring elements: of one vector, or of vectors side by side.
  const int lanes = rank > 0 && reduce[rank - 1] ? lanes_for_row(count[0], count[1]) : 1;
  for_rows(s, count[0], count[1], lanes, [=] __device__(Index v, Team team) {
    float* base = w + kept.at(v);
    float sum = 0;
    for (Index i = team.lane; i < team.n; i += team.lanes) {
      const float x = base[reduced.at(i)];
      sum += x * x;
    }
    const float f = norm.factor(sqrtf(team.sum(sum)));
    for (Index i = team.lane; i < team.n; i += team.lanes) base[reduced.at(i)] *= f;
  });
}

}  // namespace pyseq::cuda
