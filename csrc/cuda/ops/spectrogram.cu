#include "cuda/divide.h"

namespace pyseq::cuda {
namespace {

enum Mode { kMagnitude, kLog, kPsd, kAngle };

struct Config {
  Mode mode;
  float floor;
  Index size;
  Divider bins;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const char mode = p.text("mode")[0];
  c.mode = mode == 'm' ? kMagnitude : mode == 'l' ? kLog : mode == 'p' ? kPsd : kAngle;
  c.floor = static_cast<float>(p.number("floor", 0));
  const Shape x = p.input(0);
  if (p.inputs() != 2 || p.input(1).size() != x.size() || x.rank < 1)
    p.fail("expected two inputs of one shape");
  c.size = x.size();
  c.bins = Divider(x[-1]);
  p.output(x);
  p.backward_reads_input(0);
  p.backward_reads_input(1);
}

// Frequency 0 and the highest have no mirror image to be counted.
__device__ inline float mirror_images(const Divider& bins, Index i) {
  const Index j = i - bins.quotient(i) * bins.d;
  return j == 0 || j == bins.d - 1 ? 1.0f : 2.0f;
}

void forward(const Run& r) noexcept {
  const Config c = r.config<Config>();
  const float *re = r.x(0), *im = r.x(1);
  float* y = r.y();
  for_each(r.stream, r.n * c.size, [=] __device__(Index i) {
    const float a = re[i], b = im[i], p = a * a + b * b;
    // A NaN goes through: comparisons with it are false.
    const float cut = p < c.floor ? c.floor : p;
    switch (c.mode) {
      case kMagnitude: y[i] = sqrtf(cut); break;
      case kLog: y[i] = 0.5f * logf(cut); break;
      case kPsd: y[i] = mirror_images(c.bins, i) * p; break;
      case kAngle: y[i] = atan2f(b, a); break;
    }
  });
}

void backward(const Run& r) noexcept {
  const Config c = r.config<Config>();
  float *da = r.dx(0), *db = r.dx(1);
  if (!da && !db) return;
  const float *re = r.x(0), *im = r.x(1), *dy = r.dy();
  for_each(r.stream, r.n * c.size, [=] __device__(Index i) {
    const float a = re[i], b = im[i], g = dy[i], p = a * a + b * b;
    float f = 0;
    switch (c.mode) {
      case kMagnitude: f = p > c.floor ? g / sqrtf(p) : 0; break;
      case kLog: f = p > c.floor ? g / p : 0; break;
      case kPsd: f = 2 * mirror_images(c.bins, i) * g; break;
      case kAngle: f = p > 0 ? g / p : 0; break;
    }
    const bool angle = c.mode == kAngle;
    if (da) da[i] = angle ? -b * f : a * f;
    if (db) db[i] = angle ? a * f : b * f;
  });
}

}  // namespace

extern const OpDef op_spectrogram;
const OpDef op_spectrogram{"spectrogram", plan, forward, backward};

}  // namespace pyseq::cuda
