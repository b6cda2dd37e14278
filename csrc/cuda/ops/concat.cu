#include "cuda/divide.h"

namespace pyseq::cuda {
namespace {

constexpr int kMaxInputs = 64;

struct Config {
  int inputs;
  Index size;     // of an output sample
  Divider width;  // the concatenated axis and what follows it
  Index begin[kMaxInputs + 1];
};

// One output row of `width` elements consists of pieces, piece k from input k.
struct Pieces {
  Divider width;
  Index begin[kMaxInputs + 1];
  float* of[kMaxInputs];

  // Where element i comes from; null if that input is not wanted.
  __device__ float* at(Index i) const {
    const Index row = width.quotient(i), j = i - row * width.d;
    int k = 0;
    while (j >= begin[k + 1]) ++k;
    return of[k] ? of[k] + row * (begin[k + 1] - begin[k]) + j - begin[k] : nullptr;
  }
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.inputs = p.inputs();
  if (c.inputs < 1 || c.inputs > kMaxInputs) p.fail("expected 1 to %d inputs, got %d", kMaxInputs, c.inputs);
  Shape y = p.input(0);
  const Index given = p.integer("axis", -1);
  const int axis = static_cast<int>(given < 0 ? given + y.rank : given);
  if (axis < 0 || axis >= y.rank) p.fail("expected an axis of the input, got %d", axis);
  const Index inner = y.size(axis + 1, y.rank);
  y[axis] = 0;
  for (int k = 0; k < c.inputs; ++k) {
    c.begin[k] = y[axis] * inner;
    y[axis] += p.input(k)[axis];
  }
  c.begin[c.inputs] = y[axis] * inner;
  c.width = Divider(y[axis] * inner);
  c.size = y.size();
  p.output(y);
}

Pieces pieces(const Config& c, void* const* of) {
  Pieces p{};
  p.width = c.width;
  for (int k = 0; k <= c.inputs; ++k) p.begin[k] = c.begin[k];
  for (int k = 0; k < c.inputs; ++k) p.of[k] = static_cast<float*>(of[k]);
  return p;
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Pieces x = pieces(c, r.x_);
  float* y = r.y();
  for_each(r.stream, r.n * c.size, [=] __device__(Index i) { y[i] = *x.at(i); });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Pieces dx = pieces(c, r.dx_);
  const float* dy = r.dy();
  for_each(r.stream, r.n * c.size, [=] __device__(Index i) {
    if (float* to = dx.at(i); to) *to = dy[i];
  });
}

}  // namespace

extern const OpDef op_concat;
const OpDef op_concat{"concat", plan, forward, backward};

}  // namespace pyseq::cuda
