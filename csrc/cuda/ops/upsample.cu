// Each position is repeated size times along each axis.
#include "cuda/divide.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index in[3], size[3], channels, out_size;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  const int rank = x.rank - 1;
  Index size[3];
  if (rank < 1 || rank > 3 || p.integers("size", size, 3) != rank)
    p.fail("expected a size for each of 1 to 3 spatial axes, got %d axes", rank);
  Shape y = x;
  for (int i = 0; i < 3; ++i) c.in[i] = c.size[i] = 1;
  for (int i = 0; i < rank; ++i) {
    c.in[3 - rank + i] = x[i];
    c.size[3 - rank + i] = size[i];
    y[i] *= size[i];
  }
  c.channels = x[-1];
  c.out_size = y.size();
  p.output(y);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  // Axes D, d, H, h, W, w, C of the output, of which the small ones do not move in the input.
  const Index plane = c.in[1] * c.in[2] * c.channels, row = c.in[2] * c.channels;
  const Index size[] = {c.in[0], c.size[0], c.in[1], c.size[1], c.in[2], c.size[2], c.channels};
  const Index stride[] = {plane, 0, row, 0, c.channels, 0, 1};
  gather(r.stream, strided(7, size, stride, c.in[0] * plane), r.n * c.out_size, r.x(), r.y());
}

void backward(const Run& r) noexcept {
  const Config c = r.config<Config>();
  if (!r.dx()) return;
  const float* const dy = r.dy();
  float* const dx = r.dx();
  const Index ch = c.channels, row = c.in[2] * c.size[2] * ch, plane = c.in[1] * c.size[1] * row;
  const Index size[] = {c.in[0], c.in[1], c.in[2], ch};
  const Index stride[] = {c.size[0] * plane, c.size[1] * row, c.size[2] * ch, 1};
  const Strided first = strided(4, size, stride, c.out_size);
  for_each(r.stream, r.n * c.in[0] * c.in[1] * row / c.size[2], [=] __device__(Index i) {
    const float* const from = dy + first.at(i);
    float sum = 0;
    for (Index d = 0; d < c.size[0]; ++d)
      for (Index h = 0; h < c.size[1]; ++h)
        for (Index w = 0; w < c.size[2]; ++w) sum += from[d * plane + h * row + w * ch];
    dx[i] = sum;
  });
}

}  // namespace

extern const OpDef op_upsample;
const OpDef op_upsample{"upsample", plan, forward, backward};

}  // namespace pyseq::cuda
