#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Axis axis;
  bool from_logits;
  float keep, spread;  // smoothing s: labels become keep y + spread
};

void plan(Plan& p) {
  check_same_size(p);
  const Axis axis = plan_rows(p, p.integer("axis", -1));
  const Shape shape = p.input(0);
  const double smoothing = p.number("label_smoothing", 0.0);
  // Keras counts the classes along the last axis, whatever `axis` is.
  const double classes = static_cast<double>(shape.rank > 0 ? shape[-1] : 1);
  p.config<Config>() = {axis, p.flag("from_logits"), static_cast<float>(1 - smoothing),
                        static_cast<float>(smoothing / classes)};
}

void from_logits(const Run& r, const Config& c) {
  const float *x = r.x(0), *y = r.x(1), *scale = r.x(2), keep = c.keep, spread = c.spread;
  float *value = r.y(), *dx = r.dx(0);
  for_loss_rows(r, c.axis, [=] __device__(Line line) {
    float top = -INFINITY;
    for (Index k = line.first; k < line.size; k += line.step()) top = fmaxf(top, x[line.at(k)]);
    top = line.max(top);
    float all = 0, labels = 0, score = 0;
    for (Index k = line.first; k < line.size; k += line.step()) {
      const float z = x[line.at(k)] - top, t = y[line.at(k)] * keep + spread;
      all += expf(z);
      labels += t;
      // A class that is impossible and not wanted costs nothing.
      if (t != 0) score += t * z;
    }
    all = line.sum(all);
    labels = line.sum(labels);
    score = line.sum(score);
    if (line.leads()) value[line.row] = labels * logf(all) - score;
    if (!dx) return;
    const float s = scale[line.row], f = labels / all;
    for (Index k = line.first; k < line.size; k += line.step()) {
      const Index i = line.at(k);
      dx[i] = s * (expf(x[i] - top) * f - (y[i] * keep + spread));
    }
  });
}

void from_probabilities(const Run& r, const Config& c) {
  const float *x = r.x(0), *y = r.x(1), *scale = r.x(2), keep = c.keep, spread = c.spread;
  float *value = r.y(), *dx = r.dx(0);
  for_loss_rows(r, c.axis, [=] __device__(Line line) {
    float total = 0;
    for (Index k = line.first; k < line.size; k += line.step()) total += x[line.at(k)];
    const float inverse = 1 / line.sum(total);
    float loss = 0, back = 0;
    for (Index k = line.first; k < line.size; k += line.step()) {
      const float u = x[line.at(k)] * inverse, t = y[line.at(k)] * keep + spread;
      const Clipped q = clip_probability(u);
      loss -= t * logf(q.value);
      if (q.inside) back += t * u / q.value;
    }
    loss = line.sum(loss);
    back = line.sum(back);
    if (line.leads()) value[line.row] = loss;
    if (!dx) return;
    const float s = scale[line.row] * inverse;
    for (Index k = line.first; k < line.size; k += line.step()) {
      const Index i = line.at(k);
      const Clipped q = clip_probability(x[i] * inverse);
      dx[i] = s * (back - (q.inside ? (y[i] * keep + spread) / q.value : 0));
    }
  });
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (c.from_logits) from_logits(r, c);
  else from_probabilities(r, c);
}

}  // namespace

extern const OpDef loss_categorical_crossentropy;
const OpDef loss_categorical_crossentropy{"categorical_crossentropy", plan, forward, nullptr};

}  // namespace pyseq::cuda
