#include "cuda/divide.h"

namespace pyseq::cuda {
namespace {

enum Mode { kSum, kMul, kAve };

// Inputs that one kernel takes; more need further ones.
constexpr int kAtOnce = 32;

struct Config {
  Mode mode;
  int inputs;
  Index size;
};

struct Values {
  int count;
  float* of[kAtOnce];
};

Values values(void* const* of, int first, int inputs) {
  Values v{};
  v.count = inputs - first < kAtOnce ? inputs - first : kAtOnce;
  for (int k = 0; k < v.count; ++k) v.of[k] = static_cast<float*>(of[first + k]);
  return v;
}

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const char mode = p.text("mode")[0];
  c.mode = mode == 's' ? kSum : mode == 'm' ? kMul : kAve;
  c.inputs = p.inputs();
  c.size = p.input(0).size();
  for (int k = 1; k < c.inputs; ++k)
    if (p.input(k).size() != c.size) p.fail("expected inputs of one shape");
  p.output(p.input(0));
  for (int k = 0; c.mode == kMul && k < c.inputs; ++k) p.backward_reads_input(k);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Mode mode = c.mode;
  float* y = r.y();
  for (int first = 0; first < c.inputs; first += kAtOnce) {
    const Values x = values(r.x_, first, c.inputs);
    const bool fresh = first == 0;
    const float divisor =
        mode == kAve && first + kAtOnce >= c.inputs ? static_cast<float>(c.inputs) : 1.0f;
    for_each(r.stream, r.n * c.size, [=] __device__(Index i) {
      float v = fresh ? x.of[0][i] : y[i];
      for (int k = fresh; k < x.count; ++k) v = mode == kMul ? v * x.of[k][i] : v + x.of[k][i];
      y[i] = v / divisor;
    });
  }
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const float* dy = r.dy();
  const Index count = r.n * c.size;
  if (c.mode != kMul) {
    const float scale = c.mode == kAve ? 1 / static_cast<float>(c.inputs) : 1.0f;
    for (int first = 0; first < c.inputs; first += kAtOnce) {
      const Values dx = values(r.dx_, first, c.inputs);
      for_each(r.stream, count, [=] __device__(Index i) {
        const float g = dy[i] * scale;
        for (int k = 0; k < dx.count; ++k)
          if (dx.of[k]) dx.of[k][i] = g;
      });
    }
    return;
  }
  for (int k = 0; k < c.inputs; ++k) {
    float* dx = r.dx(k);
    if (!dx) continue;
    for (int first = 0; first < c.inputs; first += kAtOnce) {
      const Values x = values(r.x_, first, c.inputs);
      const bool fresh = first == 0;
      const int self = k - first;
      for_each(r.stream, count, [=] __device__(Index i) {
        float g = fresh ? dy[i] : dx[i];
        for (int other = 0; other < x.count; ++other)
          if (other != self) g *= x.of[other][i];
        dx[i] = g;
      });
    }
  }
}

}  // namespace

extern const OpDef op_merge;
const OpDef op_merge{"merge", plan, forward, backward};

}  // namespace pyseq::cuda
