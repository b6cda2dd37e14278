// A block takes one sample: its threads share the states of a frame, frame after frame. Gradients of
// classes: the first label of a class adds up all labels of it, so that no two threads write one class.
#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

constexpr Index kPad = 2;  // cells left of the first state, always impossible

struct Config {
  Index t, k, l, width;  // width: padded states of one frame
  Index frames;          // of alpha that are kept: all for a gradient
  int alpha, beta, lse, repeat;
};

void plan(Plan& p) {
  const Shape z = p.input(0), y = p.input(1);
  if (z.rank != 2 || y.rank != 1)
    p.fail("expected logits (N, T, K) and labels (N, L), got %d and %d dimensions per sample", z.rank,
           y.rank);
  Config& c = p.config<Config>();
  c.t = z[0];
  c.k = z[1];
  c.l = y[0];
  c.width = 2 * c.l + 1 + 2 * kPad;
  c.frames = p.training() ? c.t : 2;
  c.alpha = p.scratch(c.frames * c.width);
  c.beta = p.scratch(2 * c.width);
  c.lse = p.scratch(c.t);
  c.repeat = p.scratch(2 * c.l);
  p.output(Shape{});
}

__device__ inline float log_sum(float a, float b, float c) {
  const float top = fmaxf(fmaxf(a, b), c);
  return isinf(top) ? top : top + logf(expf(a - top) + expf(b - top) + expf(c - top));
}

struct Sample {
  Config c;
  const float *z, *y;
  float *alpha, *beta, *lse;
  float *next, *first;  // of each label: the next label of its class or -1; whether it is the first one
  Index states;

  __device__ Index label(Index s) const { return s % 2 ? static_cast<Index>(y[s / 2]) : 0; }
  __device__ float emission(Index t, Index s) const { return z[t * c.k + label(s)] - lse[t]; }
  // Whether a path may go from s - 2 to s.
  __device__ bool skips(Index s) const { return s >= 3 && s % 2 && s < states && label(s) != label(s - 2); }
  __device__ float* frame(Index t) const { return alpha + t % c.frames * c.width + kPad; }
};

__device__ inline void frame_sums(const Sample& s, const Block& b) {
  for (Index t = b.thread; t < s.c.t; t += b.threads) {
    const float* row = s.z + t * s.c.k;
    float top = -INFINITY, sum = 0;
    for (Index k = 0; k < s.c.k; ++k) top = fmaxf(top, row[k]);
    for (Index k = 0; k < s.c.k; ++k) sum += expf(row[k] - top);
    s.lse[t] = top + logf(sum);
  }
}

// alpha[t][s]: ln of the sum over paths that are in state s at t, its emission included.
__device__ inline void run_alpha(const Sample& s, const Block& b) {
  for (Index i = b.thread; i < s.c.frames * s.c.width; i += b.threads) s.alpha[i] = -INFINITY;
  b.sync();
  for (Index i = b.thread; i < s.states && i < 2; i += b.threads) s.frame(0)[i] = s.emission(0, i);
  b.sync();
  for (Index t = 1; t < s.c.t; ++t) {
    const float* before = s.frame(t - 1);
    float* now = s.frame(t);
    for (Index i = b.thread; i < s.states; i += b.threads)
      now[i] = s.emission(t, i) +
               log_sum(before[i], before[i - 1], s.skips(i) ? before[i - 2] : -INFINITY);
    b.sync();
  }
}

// dz = scale (softmax(z) - occupancy), occupancy = sum over a class's states of exp(alpha + beta + loss);
// beta leaves out the emission at t.
__device__ inline void run_gradient(const Sample& s, const Block& b, float loss, float scale, float* dz) {
  const Config& c = s.c;
  for (Index i = b.thread; i < c.t * c.k; i += b.threads) dz[i] = scale * expf(s.z[i] - s.lse[i / c.k]);
  float *now = s.beta, *next = s.beta + c.width;
  for (Index i = b.thread; i < 2 * c.width; i += b.threads) s.beta[i] = -INFINITY;
  for (Index i = b.thread; i < c.l; i += b.threads) {
    Index later = i + 1, before = i - 1;
    while (later < c.l && s.y[later] != s.y[i]) ++later;
    while (before >= 0 && s.y[before] != s.y[i]) --before;
    s.next[i] = later < c.l ? static_cast<float>(later) : -1;
    s.first[i] = before < 0 ? 1 : 0;
  }
  b.sync();
  for (Index i = b.thread; i < 2 && i < s.states; i += b.threads) now[s.states - 1 - i] = 0;
  b.sync();
  for (Index t = c.t - 1; t >= 0; --t) {
    if (t < c.t - 1) {
      // `next` gets beta + emission of the later frame; then a step back.
      for (Index i = b.thread; i < s.states; i += b.threads) next[i] = now[i] + s.emission(t + 1, i);
      b.sync();
      for (Index i = b.thread; i < s.states; i += b.threads)
        now[i] = log_sum(next[i], next[i + 1], s.skips(i + 2) ? next[i + 2] : -INFINITY);
      b.sync();
    }
    const float* alpha = s.frame(t);
    float blank = 0;
    for (Index i = 2 * b.thread; i < s.states; i += 2 * b.threads) blank += expf(alpha[i] + now[i] + loss);
    blank = b.sum(blank);
    if (b.thread == 0) dz[t * c.k] -= scale * blank;
    for (Index i = b.thread; 2 * i + 1 < s.states; i += b.threads) {
      if (s.first[i] == 0) continue;
      float sum = 0;
      for (Index j = i; j >= 0; j = static_cast<Index>(s.next[j]))
        if (2 * j + 1 < s.states) sum += expf(alpha[2 * j + 1] + now[2 * j + 1] + loss);
      dz[t * c.k + s.label(2 * i + 1)] -= scale * sum;
    }
    b.sync();
  }
}

void forward(const Run& r) noexcept {
  const Config c = r.config<Config>();
  const float *z = r.x(0), *y = r.x(1), *scale = r.x(2);
  float *value = r.y(), *dz = r.dx(0);
  float *alpha = r.scratch(c.alpha), *beta = r.scratch(c.beta), *lse = r.scratch(c.lse);
  float* repeat = r.scratch(c.repeat);
  const Index most = 2 * c.l + 1 > c.t ? 2 * c.l + 1 : c.t;
  for_blocks(r.stream, r.n, threads_for_row(most), 0, [=] __device__(Index n, Block b) {
    Sample s{c,
             z + n * c.t * c.k,
             y + n * c.l,
             alpha + n * c.frames * c.width,
             beta + n * 2 * c.width,
             lse + n * c.t,
             repeat + n * 2 * c.l,
             repeat + n * 2 * c.l + c.l,
             0};
    float count = 0, unknown = 0;
    for (Index i = b.thread; i < c.l; i += b.threads) {
      count += s.y[i] != 0 ? 1 : 0;
      unknown += s.y[i] >= 0 && s.y[i] < static_cast<float>(c.k) ? 0 : 1;
    }
    count = b.sum(count);
    unknown = b.sum(unknown);
    s.states = 2 * static_cast<Index>(count) + 1;
    double loss = static_cast<double>(NAN);
    if (unknown == 0 && c.t > 0) {
      frame_sums(s, b);
      b.sync();
      run_alpha(s, b);
      const float* last = s.frame(c.t - 1);
      const double first = static_cast<double>(last[s.states - 1]);
      const double second = static_cast<double>(s.states > 1 ? last[s.states - 2] : -INFINITY);
      const double top = first > second ? first : second;
      loss = isinf(top) ? -top : -(top + log(exp(first - top) + exp(second - top)));
    }
    if (b.thread == 0) value[n] = static_cast<float>(loss);
    if (!dz) return;
    float* d = dz + n * c.t * c.k;
    if (isfinite(loss)) {
      run_gradient(s, b, static_cast<float>(loss), scale[n], d);
      return;
    }
    for (Index i = b.thread; i < c.t * c.k; i += b.threads) d[i] = 0;
  });
}

}  // namespace

extern const OpDef loss_ctc;
const OpDef loss_ctc{"ctc", plan, forward, nullptr};

}  // namespace pyseq::cuda
