#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Axis axis;
  bool from_logits, ignores;
  float ignored;

  __device__ bool leaves_out(float label) const { return ignores && label == ignored; }
  __device__ Index wanted(float label) const {
    return leaves_out(label) ? -1 : known_class(label, axis.size);
  }
  // What to report for a row, also if its label is no class.
  __device__ float settle(float label, Index wanted, float loss) const {
    return wanted >= 0 ? loss : leaves_out(label) ? 0.0f : NAN;
  }
};

void plan(Plan& p) {
  const Axis axis = plan_rows(p, p.integer("axis", -1));
  check_labels(p, axis);
  p.config<Config>() = {axis, p.flag("from_logits"), p.has("ignore_class"),
                        static_cast<float>(p.number("ignore_class", 0.0))};
}

void from_logits(const Run& r, const Config& config) {
  const Config c = config;
  const float *x = r.x(0), *y = r.x(1), *scale = r.x(2);
  float *value = r.y(), *dx = r.dx(0);
  for_loss_rows(r, c.axis, [=] __device__(Line line) {
    const float label = y[line.row];
    const Index wanted = c.wanted(label);
    float top = -INFINITY;
    for (Index k = line.first; k < line.size; k += line.step()) top = fmaxf(top, x[line.at(k)]);
    top = line.max(top);
    float all = 0;
    for (Index k = line.first; k < line.size; k += line.step()) all += expf(x[line.at(k)] - top);
    all = line.sum(all);
    if (line.leads()) {
      const float own = wanted >= 0 ? x[line.at(wanted)] - top : 0;
      value[line.row] = c.settle(label, wanted, logf(all) - own);
    }
    if (!dx) return;
    const float s = wanted >= 0 ? scale[line.row] : 0, f = 1 / all;
    for (Index k = line.first; k < line.size; k += line.step()) {
      const Index i = line.at(k);
      dx[i] = s * (expf(x[i] - top) * f - (k == wanted ? 1 : 0));
    }
  });
}

void from_probabilities(const Run& r, const Config& config) {
  const Config c = config;
  const float *x = r.x(0), *y = r.x(1), *scale = r.x(2);
  float *value = r.y(), *dx = r.dx(0);
  for_loss_rows(r, c.axis, [=] __device__(Line line) {
    const float label = y[line.row];
    const Index wanted = c.wanted(label);
    float total = 0;
    for (Index k = line.first; k < line.size; k += line.step()) total += x[line.at(k)];
    const float inverse = 1 / line.sum(total);
    // A team without a row must not read one.
    const float u = wanted >= 0 && line.size > 0 ? x[line.at(wanted)] * inverse : 0;
    const Clipped q = clip_probability(u);
    if (line.leads()) value[line.row] = c.settle(label, wanted, -logf(q.value));
    if (!dx) return;
    const float s = wanted >= 0 ? scale[line.row] : 0, slope = q.inside ? s * inverse / q.value : 0;
    for (Index k = line.first; k < line.size; k += line.step())
      dx[line.at(k)] = k == wanted ? slope * (u - 1) : slope * u;
  });
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (c.from_logits) from_logits(r, c);
  else from_probabilities(r, c);
}

}  // namespace

extern const OpDef loss_sparse_categorical_crossentropy;
const OpDef loss_sparse_categorical_crossentropy{"sparse_categorical_crossentropy", plan, forward, nullptr};

}  // namespace pyseq::cuda
