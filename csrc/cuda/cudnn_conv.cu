// cuDNN pads both ends of an axis alike. Where a layer does not ("same" with strides, causal), taps of
// zeros at one end of the kernel make up for it: they cost arithmetic, which tensor cores have plenty
// of, and no copy of the images. Thin convolutions stay with the own kernels, whose tiles suit them.
#include "cuda/cudnn_conv.h"

#include <array>
#include <cstring>
#include <map>
#include <tuple>

#include "cuda/cudnn.h"
#include "cuda/divide.h"
#include "cuda/libraries.h"

namespace pyseq::cuda {
namespace {

constexpr Index kFewestChannels = 8;  // of a group, in and out
constexpr Index kMostTaps = 3;        // as many as the layer has, zeros counted in

// The kernel with its zeros.
struct Filters {
  Index taps[3], front[3];
  bool padded;  // there are zeros
};

bool pads_alike(const ConvAxis& a, Index front, Index back) {
  const Index reach = (a.kernel + front + back - 1) * a.dilation + 1;
  const Index room = a.in + 2 * (a.pad + front * a.dilation) - reach;
  return room >= 0 && room / a.stride + 1 == a.out;
}

bool extend(const ConvShape& s, Filters& f) {
  Index taps = 1;
  f.padded = false;
  for (int k = 0; k < 3; ++k) {
    const ConvAxis& a = s.axis[k];
    Index more = 0;
    while (more <= 2 * a.kernel && !pads_alike(a, more, 0) && !pads_alike(a, 0, more)) ++more;
    f.taps[k] = a.kernel + more;
    f.front[k] = pads_alike(a, more, 0) ? more : 0;
    f.padded = f.padded || more > 0;
    taps *= f.taps[k];
  }
  return taps <= kMostTaps * s.taps();
}

bool suits(const ConvShape& s, Filters& f) {
  return cudnn() && s.channels / s.groups >= kFewestChannels && s.filters / s.groups >= kFewestChannels &&
         extend(s, f);
}

bool aligned(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; }

enum Direction { kForward, kData, kWeights };

struct Problem {
  CudnnTensor *x = nullptr, *y = nullptr;
  CudnnFilter* w = nullptr;
  CudnnConvolution* convolution = nullptr;
  CudnnAlgorithm algorithm{};
  bool usable = false;

  Problem() = default;
  Problem(const Problem&) = delete;
  Problem& operator=(const Problem&) = delete;
  ~Problem() {
    if (x) cudnn()->destroy_tensor(x);
    if (y) cudnn()->destroy_tensor(y);
    if (w) cudnn()->destroy_filter(w);
    if (convolution) cudnn()->destroy_convolution(convolution);
  }
};

static_assert(sizeof(ConvShape) == 21 * sizeof(Index));
using Key = std::tuple<std::array<Index, 21>, Index, int, bool>;

bool fits(Index n) { return n < Index{1} << 31; }

void describe(Problem& p, const ConvShape& s, const Filters& f, Index n, bool exact) {
  const Cudnn& c = *cudnn();
  const ConvAxis& depth = s.axis[0];
  const int first = depth.in == 1 && depth.out == 1 && f.taps[0] == 1 ? 1 : 0, rank = 3 - first;
  int x[5], y[5], w[5], pad[3], stride[3], dilation[3];
  const auto number = [](Index i) { return static_cast<int>(i); };
  x[0] = y[0] = number(n);
  x[1] = number(s.channels), y[1] = w[0] = number(s.filters), w[1] = number(s.channels / s.groups);
  for (int k = 0; k < rank; ++k) {
    const ConvAxis& a = s.axis[first + k];
    x[2 + k] = number(a.in), y[2 + k] = number(a.out), w[2 + k] = number(f.taps[first + k]);
    pad[k] = number(a.pad + f.front[first + k] * a.dilation);
    stride[k] = number(a.stride), dilation[k] = number(a.dilation);
  }
  p.usable =
      c.create_tensor(&p.x) == kCudnnSuccess && c.create_tensor(&p.y) == kCudnnSuccess &&
      c.create_filter(&p.w) == kCudnnSuccess && c.create_convolution(&p.convolution) == kCudnnSuccess &&
      c.set_tensor(p.x, kCudnnChannelsLast, kCudnnFloat, rank + 2, x) == kCudnnSuccess &&
      c.set_tensor(p.y, kCudnnChannelsLast, kCudnnFloat, rank + 2, y) == kCudnnSuccess &&
      c.set_filter(p.w, kCudnnFloat, kCudnnChannelsLast, rank + 2, w) == kCudnnSuccess &&
      c.set_convolution(p.convolution, rank, pad, stride, dilation, kCudnnCrossCorrelation, kCudnnFloat) ==
          kCudnnSuccess &&
      c.set_groups(p.convolution, number(s.groups)) == kCudnnSuccess &&
      c.set_math(p.convolution, exact ? kCudnnFmaMath : kCudnnDefaultMath) == kCudnnSuccess;
}

// The best of cuDNN's proposals that gives the same bits in every run and has room.
void choose(DeviceStream* s, CudnnHandle* handle, Problem& p, Direction direction, bool exact) {
  constexpr int kMost = 10;
  const Cudnn& c = *cudnn();
  CudnnAlgorithm found[kMost];
  int count = 0, status = kCudnnSuccess;
  if (direction == kForward)
    status = c.propose_forward(handle, p.x, p.w, p.convolution, p.y, kMost, &count, found);
  else if (direction == kData)
    status = c.propose_data(handle, p.w, p.y, p.convolution, p.x, kMost, &count, found);
  else status = c.propose_weights(handle, p.x, p.y, p.convolution, p.w, kMost, &count, found);
  p.usable = false;
  for (int i = 0; status == kCudnnSuccess && i < count && !p.usable; ++i) {
    p.usable = found[i].status == kCudnnSuccess && found[i].determinism == kCudnnDeterministic &&
               found[i].memory <= s->workspace_bytes;
    if (!p.usable) continue;
    p.algorithm = found[i];
    // An algorithm comes with the arithmetic that it was proposed for.
    if (!exact) p.usable = c.set_math(p.convolution, found[i].math) == kCudnnSuccess;
  }
}

}  // namespace

// Of one stream; used by one host thread at a time.
struct Convolutions {
  CudnnHandle* handle = nullptr;
  std::map<Key, Problem> known;
};

void close_convolutions(DeviceStream* s) {
  if (!s->convolutions) return;
  s->convolutions->known.clear();
  if (s->convolutions->handle) cudnn()->destroy(s->convolutions->handle);
  delete s->convolutions;
  s->convolutions = nullptr;
}

namespace {

// Null if cuDNN does not serve.
Problem* find(DeviceStream* s, const ConvShape& shape, const Filters& f, Index n, Direction direction) {
  const bool exact = matmul_precision() == 3;
  if (exact && f.padded) return nullptr;
  if (!fits(n * shape.in_pixels() * shape.channels) || !fits(n * shape.out_pixels() * shape.filters))
    return nullptr;
  try {
    if (!s->convolutions) {
      s->convolutions = new Convolutions;
      const Cudnn& c = *cudnn();
      CudnnHandle*& handle = s->convolutions->handle;
      if (c.create(&handle) != kCudnnSuccess) handle = nullptr;
      else if (c.set_stream(handle, s->handle) != kCudnnSuccess) c.destroy(handle), handle = nullptr;
    }
    Convolutions& all = *s->convolutions;
    if (!all.handle) return nullptr;
    Key key{{}, n, direction, exact};
    std::memcpy(std::get<0>(key).data(), &shape, sizeof shape);
    const auto [at, fresh] = all.known.try_emplace(key);
    Problem& p = at->second;
    if (fresh) {
      describe(p, shape, f, n, exact);
      if (p.usable) choose(s, all.handle, p, direction, exact);
    }
    return p.usable ? &p : nullptr;
  } catch (...) {
    return nullptr;
  }
}

// A call that cuDNN refuses after all is the own kernels' from then on.
bool done(Problem& p, int status) {
  p.usable = status == kCudnnSuccess;
  if (!p.usable) cudaGetLastError();
  return p.usable;
}

// Rows of cuDNN's matrix (F, rows) of weights and those of ours (rows, F).
struct Rows {
  Divider channels, taps_h, taps_w;  // of cuDNN's
  Index front[3], kernel[3];

  // -1 for a zero.
  __device__ Index ours(Index row) const {
    const Index tap = channels.quotient(row), plane = taps_w.quotient(tap);
    const Index td = taps_h.quotient(plane), d = td - front[0];
    const Index h = plane - td * taps_h.d - front[1], w = tap - plane * taps_w.d - front[2];
    if (d < 0 || d >= kernel[0] || h < 0 || h >= kernel[1] || w < 0 || w >= kernel[2]) return -1;
    return ((d * kernel[1] + h) * kernel[2] + w) * channels.d + (row - tap * channels.d);
  }
};

// Between w (rows, F) and filters (F, rows), by tiles: both are read and written along their rows.
void transpose(DeviceStream* stream, const ConvShape& s, const Filters& f, const float* from, float* to,
               bool back) {
  constexpr int kTile = 32, kPitch = kTile + 1, kLines = kThreads / kTile;
  Rows rows{Divider(s.channels / s.groups), Divider(f.taps[1]), Divider(f.taps[2]), {}, {}};
  for (int k = 0; k < 3; ++k) rows.front[k] = f.front[k], rows.kernel[k] = s.axis[k].kernel;
  const Index height = f.taps[0] * f.taps[1] * f.taps[2] * rows.channels.d, width = s.filters;
  const Index across = (width + kTile - 1) / kTile;
  for_blocks(stream, across * ((height + kTile - 1) / kTile), kThreads, kTile * kPitch,
             [=] __device__(Index b, Block t) {
               const Index row = b / across * kTile, col = b % across * kTile;
               const int lane = t.thread % kTile, line = t.thread / kTile;
               for (int i = line; i < kTile; i += kLines) {
                 if (back) {  // line i of the tile: one filter
                   if (col + i < width && row + lane < height)
                     t.shared[lane * kPitch + i] = from[(col + i) * height + row + lane];
                 } else if (row + i < height && col + lane < width) {
                   const Index at = rows.ours(row + i);
                   t.shared[i * kPitch + lane] = at < 0 ? 0.0f : from[at * width + col + lane];
                 }
               }
               t.sync();
               for (int i = line; i < kTile; i += kLines) {
                 if (!back) {
                   if (col + i < width && row + lane < height)
                     to[(col + i) * height + row + lane] = t.shared[lane * kPitch + i];
                 } else if (row + i < height && col + lane < width) {
                   const Index at = rows.ours(row + i);
                   if (at >= 0) to[at * width + col + lane] = t.shared[i * kPitch + lane];
                 }
               }
             });
}

}  // namespace

Index cudnn_filter_size(const ConvShape& s) {
  Filters f;
  if (!suits(s, f)) return 0;
  return f.taps[0] * f.taps[1] * f.taps[2] * (s.channels / s.groups) * s.filters;
}

void cudnn_pack(DeviceStream* stream, const ConvShape& s, const float* w, float* filters) {
  Filters f;
  if (suits(s, f)) transpose(stream, s, f, w, filters, false);
}

bool cudnn_forward(DeviceStream* stream, const ConvShape& s, Index n, const float* x, const float* w,
                   float* filters, float* y) {
  Filters f;
  if (!suits(s, f) || !aligned(x) || !aligned(y)) return false;
  Problem* const p = find(stream, s, f, n, kForward);
  if (!p) return false;
  if (w) transpose(stream, s, f, w, filters, false);
  const float one = 1, none = 0;
  return done(*p,
              cudnn()->forward(stream->convolutions->handle, &one, p->x, x, p->w, filters, p->convolution,
                               p->algorithm.algo, stream->workspace, p->algorithm.memory, &none, p->y, y));
}

bool cudnn_data_gradient(DeviceStream* stream, const ConvShape& s, Index n, const float* dy, const float* w,
                         float* filters, float* dx) {
  Filters f;
  if (!suits(s, f) || !aligned(dy) || !aligned(dx)) return false;
  Problem* const p = find(stream, s, f, n, kData);
  if (!p) return false;
  if (w) transpose(stream, s, f, w, filters, false);
  const float one = 1, none = 0;
  return done(*p, cudnn()->data(stream->convolutions->handle, &one, p->w, filters, p->y, dy, p->convolution,
                                p->algorithm.algo, stream->workspace, p->algorithm.memory, &none, p->x, dx));
}

bool cudnn_weight_gradient(DeviceStream* stream, const ConvShape& s, Index n, const float* x, const float* dy,
                           float* dw, float* filters) {
  Filters f;
  if (!suits(s, f) || !aligned(x) || !aligned(dy)) return false;
  Problem* const p = find(stream, s, f, n, kWeights);
  if (!p) return false;
  const float one = 1, none = 0;
  if (!done(*p, cudnn()->weights(stream->convolutions->handle, &one, p->x, x, p->y, dy, p->convolution,
                                 p->algorithm.algo, stream->workspace, p->algorithm.memory, &none, p->w,
                                 filters)))
    return false;
  transpose(stream, s, f, filters, dw, true);
  return true;
}

}  // namespace pyseq::cuda
