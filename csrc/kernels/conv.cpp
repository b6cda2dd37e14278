// Convolutions: their passes, their packed weights and their scratch; Winograd's algorithm where it
// pays.
#include "kernels/conv.h"

#include "kernels/conv_direct.h"
#include "kernels/winograd.h"

namespace pyseq::PYSEQ_NS {
namespace {

PassWeights weights_of(const ConvShape& s, const real* w, bool transposed) {
  return {w,         s.axis[1].kernel,     s.axis[2].kernel, s.channels / s.groups,
          s.filters, s.filters / s.groups, transposed};
}

Pass gradient_pass(const ConvShape& s, Index n, Index pd, Index ph, Index pw) {
  Pass p{};
  p.n = n;
  p.in_c = s.filters;
  p.out_c = s.channels;
  p.groups = s.groups;
  p.cg = s.filters / s.groups;
  p.fg = s.channels / s.groups;
  const Index phase[3] = {pd, ph, pw};
  for (int i = 0; i < 3; ++i) p.a[i] = gradient_axis(s.axis[i], phase[i]);
  return p;
}

bool is_pointwise(const ConvShape& s) {
  bool pointwise = true;
  for (const ConvAxis& c : s.axis)
    pointwise &= c.kernel == 1 && c.stride == 1 && c.pad == 0 && c.in == c.out;
  return pointwise;
}

// Box copies: n only adds whole samples, which must fit the budget.
Index copy_bound(Pass p) {
  plan_pass(p, true);
  return most(most(kBoxReals, p.copy_reals()), kMaxTilePixels * (p.in_c + p.skew));
}

}  // namespace

ConvScratch conv_forward_scratch(const ConvShape& s, bool packed) {
  const Index weights = packed ? 0 : s.depth() * packed_columns(s.filters / s.groups) * s.groups;
  ConvScratch scratch = winograd_scratch(s, ConvPass::forward);
  if (packed) scratch.fixed = 0;
  scratch.cover({segment_reals(s.taps()) + weights, copy_bound(forward_pass(s, 1))});
  return scratch;
}

ConvScratch conv_data_gradient_scratch(const ConvShape& s, bool packed) {
  const Index depth = s.taps() * (s.filters / s.groups);
  const Index weights =
      packed ? 0 : depth * packed_columns(s.channels / s.groups) * s.groups;
  Index copies = 0;
  const auto phases = [&](int i) { return least(s.axis[i].stride, s.axis[i].in); };
  for (Index d = 0; d < phases(0); ++d)
    for (Index h = 0; h < phases(1); ++h)
      for (Index w = 0; w < phases(2); ++w)
        copies = most(copies, copy_bound(gradient_pass(s, 1, d, h, w)));
  ConvScratch scratch = winograd_scratch(s, ConvPass::data_gradient);
  if (packed) scratch.fixed = 0;
  scratch.cover({segment_reals(s.taps()) + weights, copies});
  return scratch;
}

namespace {

// f(pass) for each pass whose outputs make up the gradient of the data.
template <class F>
PYSEQ_INLINE void gradient_passes(const ConvShape& s, Index n, F&& f) {
  if (is_pointwise(s)) {
    ConvShape transposed = s;
    transposed.channels = s.filters;
    transposed.filters = s.channels;
    Pass p = forward_pass(transposed, n);
    return f(p);
  }
  for (Index d = 0; d < least(s.axis[0].stride, s.axis[0].in); ++d)
    for (Index h = 0; h < least(s.axis[1].stride, s.axis[1].in); ++h)
      for (Index k = 0; k < least(s.axis[2].stride, s.axis[2].in); ++k) {
        Pass p = gradient_pass(s, n, d, h, k);
        f(p);
      }
}

template <class F>
PYSEQ_INLINE void passes(const ConvShape& s, Index n, bool gradient, F&& f) {
  if (gradient) return gradient_passes(s, n, f);
  Pass p = forward_pass(s, n);
  f(p);
}

ConvPass kind_of(bool gradient) {
  return gradient ? ConvPass::data_gradient : ConvPass::forward;
}

// Packed weights: the tile of Winograd's algorithm; the weights of each pass, unless no number of
// rows needs them; the transformed weights.
constexpr Index kHeader = 64 / static_cast<Index>(sizeof(real));

Index direct_reals(const ConvShape& s, bool gradient) {
  if (winograd_always(s, kind_of(gradient))) return 0;
  Index size = 0;
  passes(s, 1, gradient, [&](Pass& p) { size += packed_reals(p); });
  return size;
}

int tile_now(const ConvShape& s, bool gradient, int planned) {
  return static_cast<int>(least(winograd_tile(s, kind_of(gradient)), planned));
}

}  // namespace

ConvPacking conv_packing(const ConvShape& s, bool gradient) {
  const ConvPass kind = kind_of(gradient);
  const int tile = winograd_tile(s, kind);
  return {kHeader + direct_reals(s, gradient) + winograd_packed_size(s, kind, tile), tile};
}

void conv_pack(Pool* pool, const ConvShape& s, bool gradient, int tile, const real* w,
               const real* scale, real* packed) {
  const ConvPass kind = kind_of(gradient);
  const int now = tile_now(s, gradient, tile);
  packed[0] = static_cast<real>(now);
  real* to = packed + kHeader;
  const PassWeights weights = weights_of(s, w, gradient);
  if (!winograd_always(s, kind))
    passes(s, 1, gradient, [&](Pass& p) {
      pack_pass(pool, p, weights, scale, to);
      to += packed_reals(p);
    });
  if (now) winograd_pack(pool, s, kind, now, w, scale, to);
}

bool conv_pack_stale(const ConvShape& s, bool gradient, int tile, const real* packed) {
  return packed[0] != static_cast<real>(tile_now(s, gradient, tile));
}

void conv_forward(const ConvShape& s, Index n, const ConvSource& x, const real* w,
                  const ConvTarget& y, const ConvWork& work, const real* packed) {
  const int tile = packed ? static_cast<int>(packed[0]) : 0;
  if (packed ? winograd_packed_wanted(s, n, ConvPass::forward, tile)
             : winograd_wanted(s, n, ConvPass::forward)) {
    const real* u = packed ? packed + kHeader + direct_reals(s, false) : nullptr;
    return winograd_forward(s, n, x, w, y, work, tile, u);
  }
  Pass p = forward_pass(s, n);
  run_pass(p, x, weights_of(s, w, false), y, work, packed ? packed + kHeader : nullptr);
}

void conv_data_gradient(const ConvShape& s, Index n, const ConvSource& y, const real* w,
                        const ConvTarget& x, const ConvWork& work, const real* packed) {
  const int tile = packed ? static_cast<int>(packed[0]) : 0;
  if (packed ? winograd_packed_wanted(s, n, ConvPass::data_gradient, tile)
             : winograd_wanted(s, n, ConvPass::data_gradient)) {
    const real* u = packed ? packed + kHeader + direct_reals(s, true) : nullptr;
    return winograd_data_gradient(s, n, y, w, x, work, tile, u);
  }
  const PassWeights weights = weights_of(s, w, true);
  const real* kept = packed ? packed + kHeader : nullptr;
  gradient_passes(s, n, [&](Pass& p) {
    run_pass(p, y, weights, x, work, kept);
    if (kept) kept += packed_reals(p);
  });
}

}  // namespace pyseq::PYSEQ_NS
