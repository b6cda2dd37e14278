// Slots: m, v. Three kernels for all variables: moments with the norms' parts, ratios, the step.
#include "cuda/total.h"
#include "cuda/update.h"

namespace pyseq::cuda {
namespace {

struct Config {
  double beta_1, beta_2, epsilon;
};

void plan(Plan& p) {
  p.config<Config>() = {p.number("beta_1"), p.number("beta_2"), p.number("epsilon")};
}

// The direction at one element.
struct Direction {
  float fm, fv, epsilon;
  __device__ Direction(const Config& c, double t)
      : fm(static_cast<float>(1 / correction(c.beta_1, t))),
        fv(static_cast<float>(1 / correction(c.beta_2, t))),
        epsilon(static_cast<float>(c.epsilon)) {}
  __device__ float at(const DeviceSegment& s, Index i) const {
    return fm * s.slot[0][i] / (sqrtf(fv * s.slot[1][i]) + epsilon);
  }
};

struct Squares {
  double step, weight;
};

struct MomentsKernel {
  DeviceUpdates u;
  Config c;
  Squares* squares;  // of each part

  __device__ void operator()(Index b, const Block& t) const {
    if (!updates_now(u)) return;
    const Part part(u, b);
    const DeviceSegment& s = u.device_segments[part.segment];
    const Inputs in(u, part.segment, learning_rate(u));
    const Direction direction(c, update_number(u));
    const float one = static_cast<float>(1 - c.beta_1), two = static_cast<float>(1 - c.beta_2);
    Squares sum{0, 0};
    for (Index i = part.begin + t.thread; i < part.end; i += t.threads) {
      const float g = in.gradient(i), w = in.variable(i);
      s.slot[0][i] += one * (g - s.slot[0][i]);
      s.slot[1][i] += two * (g * g - s.slot[1][i]);
      in.w[i] = w;
      const double step = static_cast<double>(direction.at(s, i)), weight = static_cast<double>(w);
      sum.step += step * step;
      sum.weight += weight * weight;
    }
    sum.step = t.sum(sum.step);
    sum.weight = t.sum(sum.weight);
    if (t.thread == 0) squares[b] = sum;
  }
};

struct StepKernel {
  DeviceUpdates u;
  Config c;
  const double* ratio;  // of each segment

  __device__ void operator()(Index b, const Block& t) const {
    if (!updates_now(u)) return;
    const Part part(u, b);
    const DeviceSegment& s = u.device_segments[part.segment];
    const Direction direction(c, update_number(u));
    const float lr = static_cast<float>(learning_rate(u) * ratio[part.segment]);
    for (Index i = part.begin + t.thread; i < part.end; i += t.threads) s.w[i] -= lr * direction.at(s, i);
  }
};

void update(DeviceStream* s, const DeviceUpdates& u) {
  const Config c = u.config<Config>();
  const Index all = parts(u);
  auto* const squares = reinterpret_cast<Squares*>(partial_sums(s));
  double* const ratio = partial_sums(s) + 2 * all;
  const DevicePiece* pieces = u.pieces;
  for_blocks(s, all, kThreads, 0, MomentsKernel{u, c, squares});
  for_blocks(s, u.count, kThreads, 0, [=] __device__(Index b, Block t) {
    Squares sum{0, 0};
    for (Index i = t.thread; i < all; i += t.threads)
      if (pieces[i / kPieceParts].segment == b) {
        sum.step += squares[i].step;
        sum.weight += squares[i].weight;
      }
    const double steps = t.sum(sum.step), weights = t.sum(sum.weight);
    if (t.thread == 0) ratio[b] = weights > 0 && steps > 0 ? sqrt(weights / steps) : 1;
  });
  for_blocks(s, all, kThreads, 0, StepKernel{u, c, ratio});
}

}  // namespace

extern const DeviceOptimizerDef optimizer_lamb;
const DeviceOptimizerDef optimizer_lamb{"lamb", plan, update};

}  // namespace pyseq::cuda
