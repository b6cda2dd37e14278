#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

constexpr int kMaxClasses = 4096;  // with a weight each
constexpr int kTogether = 512;     // weights that one kernel carries to the device

struct Config {
  Axis axis;
  bool from_logits;
  int weights;  // 1, or one for each class
  float keep, spread, gamma;
  double alpha[kMaxClasses];
};

struct Focal {
  float alpha, gamma;
  // Of one class, by its probability.
  __device__ float value(float u, float t) const {
    const float q = clip_probability(u).value;
    return -alpha * power(1 - q, gamma) * t * logf(q);
  }
  __device__ float slope(float u, float t) const {
    const Clipped q = clip_probability(u);
    if (!q.inside) return 0;
    const float miss = 1 - q.value;
    const float bend = gamma == 0 ? 0 : gamma * power(miss, gamma - 1) * logf(q.value);
    return alpha * t * (bend - power(miss, gamma) / q.value);
  }
};

struct Weights {
  float v[kTogether];
};

void plan(Plan& p) {
  check_same_size(p);
  const Axis axis = plan_rows(p, p.integer("axis", -1));
  const Shape shape = p.input(0);
  const double smoothing = p.number("label_smoothing", 0.0);
  const double classes = static_cast<double>(shape.rank > 0 ? shape[-1] : 1);
  Config& c = p.config<Config>();
  c.axis = axis;
  c.from_logits = p.flag("from_logits");
  c.keep = static_cast<float>(1 - smoothing);
  c.spread = static_cast<float>(smoothing / classes);
  c.gamma = static_cast<float>(p.number("gamma", 2.0));
  c.weights = 1;
  c.alpha[0] = 0.25;
  if (p.has("alpha")) c.weights = p.numbers("alpha", c.alpha, kMaxClasses);
  if (c.weights != 1 && c.weights != axis.size)
    p.fail("expected one alpha, or one for each of %lld classes, got %d",
           static_cast<long long>(axis.size), c.weights);
  p.scratch(0, c.weights);
}

// The weights of the classes, in device memory.
const float* class_weights(const Run& r, const Config& c) {
  float* to = r.scratch();
  for (int first = 0; first < c.weights; first += kTogether) {
    const int n = c.weights - first < kTogether ? c.weights - first : kTogether;
    Weights w{};
    for (int i = 0; i < n; ++i) w.v[i] = static_cast<float>(c.alpha[first + i]);
    float* at = to + first;
    for_each(r.stream, n, [=] __device__(Index i) { at[i] = w.v[i]; });
  }
  return to;
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const float *x = r.x(0), *y = r.x(1), *scale = r.x(2), *alpha = class_weights(r, c);
  float *value = r.y(), *dx = r.dx(0);
  const float keep = c.keep, spread = c.spread, gamma = c.gamma;
  const bool logits = c.from_logits, each = c.weights > 1;
  for_loss_rows(r, c.axis, [=] __device__(Line line) {
    float top = -INFINITY, total = 0;
    if (logits) {
      for (Index k = line.first; k < line.size; k += line.step()) top = fmaxf(top, x[line.at(k)]);
      top = line.max(top);
    }
    for (Index k = line.first; k < line.size; k += line.step())
      total += logits ? expf(x[line.at(k)] - top) : x[line.at(k)];
    const float inverse = 1 / line.sum(total);
    float loss = 0, back = 0;
    for (Index k = line.first; k < line.size; k += line.step()) {
      const Index i = line.at(k);
      const float u = (logits ? expf(x[i] - top) : x[i]) * inverse, t = y[i] * keep + spread;
      const Focal f{alpha[each ? k : 0], gamma};
      loss += f.value(u, t);
      if (dx) back += f.slope(u, t) * u;
    }
    loss = line.sum(loss);
    back = line.sum(back);
    if (line.leads()) value[line.row] = loss;
    if (!dx) return;
    const float s = scale[line.row];
    for (Index k = line.first; k < line.size; k += line.step()) {
      const Index i = line.at(k);
      const float u = (logits ? expf(x[i] - top) : x[i]) * inverse, t = y[i] * keep + spread;
      dx[i] = s * (Focal{alpha[each ? k : 0], gamma}.slope(u, t) - back) * (logits ? u : inverse);
    }
  });
}

}  // namespace

extern const OpDef loss_categorical_focal_crossentropy;
const OpDef loss_categorical_focal_crossentropy{"categorical_focal_crossentropy", plan, forward, nullptr};

}  // namespace pyseq::cuda
