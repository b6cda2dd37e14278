#pragma once
// What the optimizers share: one kernel over all pieces of all variables.
#include "cuda/cuda.h"

namespace pyseq::cuda {

// Whether this step updates, and does not only accumulate gradients.
__device__ inline bool updates_now(const DeviceUpdates& u) {
  return !(u.skip && *u.skip != 0) && (u.state->iteration + 1) % u.accumulation_steps == 0;
}
__device__ inline double learning_rate(const DeviceUpdates& u) {
  return u.lr[u.state->batch * u.lr_stride];
}
// 1 at the first update.
__device__ inline double update_number(const DeviceUpdates& u) {
  return static_cast<double>(u.state->iteration / u.accumulation_steps + 1);
}
// 1 - beta^t
__device__ inline double correction(double beta, double t) { return 1 - pow(beta, t); }

// The gradient after clipping, the variable after weight decay.
struct Inputs {
  const float* g;
  float* w;
  float scale, clip, keep;

  // `decay` times the learning rate; the variable's own weight_decay unless given.
  __device__ Inputs(const DeviceUpdates& u, int segment, double lr, double decay)
      : g(u.device_segments[segment].g),
        w(u.device_segments[segment].w),
        scale(static_cast<float>(u.grad_scale * (u.scale ? u.scale[segment] : 1.0))),
        clip(static_cast<float>(u.clip)),
        keep(static_cast<float>(1 - decay * lr)) {}
  __device__ Inputs(const DeviceUpdates& u, int segment, double lr)
      : Inputs(u, segment, lr, u.device_segments[segment].weight_decay) {}
  __device__ float gradient(Index i) const {
    const float v = g[i] * scale;
    // A NaN goes through.
    return v < -clip ? -clip : v > clip ? clip : v;
  }
  __device__ float variable(Index i) const { return w[i] * keep; }
};

inline constexpr int kPieceParts = 4;  // blocks that share a piece

// The elements of one block.
struct Part {
  int segment;
  Index begin, end;
  __device__ Part(const DeviceUpdates& u, Index block) {
    const DevicePiece piece = u.pieces[block / kPieceParts];
    const Index each = (piece.n + kPieceParts - 1) / kPieceParts, first = block % kPieceParts * each;
    segment = piece.segment;
    begin = piece.begin + (first < piece.n ? first : piece.n);
    end = piece.begin + (first + each < piece.n ? first + each : piece.n);
  }
};
inline Index parts(const DeviceUpdates& u) { return static_cast<Index>(u.piece_count) * kPieceParts; }

template <class Rule>
struct UpdateKernel {
  DeviceUpdates u;
  Rule rule;

  __device__ void operator()(Index b, const Block& t) const {
    if (!updates_now(u)) return;
    using Step = typename Rule::Step;
    auto* const shared = reinterpret_cast<Step*>(t.shared);
    const double lr = learning_rate(u);
    if (t.thread == 0) *shared = rule.step(lr, update_number(u));
    t.sync();
    const Step step = *shared;
    const Part part(u, b);
    const DeviceSegment& segment = u.device_segments[part.segment];
    if (!rule.takes(segment)) return;
    const Inputs in(u, part.segment, lr, rule.decay(segment));
    for (Index i = part.begin + t.thread; i < part.end; i += t.threads)
      in.w[i] = rule(step, segment, i, in.variable(i), in.gradient(i));
  }
};

// What a rule is made of, besides:
//   struct Step { floats };                          what changes from update to update
//   __device__ Step step(double lr, double t) const;
//   __device__ float operator()(const Step&, const DeviceSegment&, Index i, float w, float g) const;
//                                                    the new w; may change slots at i
struct Rule {
  __device__ bool takes(const DeviceSegment&) const { return true; }
  __device__ double decay(const DeviceSegment& s) const { return s.weight_decay; }
};

template <class R>
void update_elements(DeviceStream* s, const DeviceUpdates& u, const R& rule) {
  for_blocks(s, parts(u), kThreads, static_cast<int>(sizeof(typename R::Step) / sizeof(float)),
             UpdateKernel<R>{u, rule});
}

}  // namespace pyseq::cuda
