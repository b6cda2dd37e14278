#pragma once
// All steps of a recurrent layer: in one launch, or step by step.
#include "cuda/divide.h"
#include "cuda/rnn.h"

namespace pyseq::cuda {

inline int round_to_four(Index n) { return static_cast<int>((n + 3) / 4 * 4); }

// sum[r] += sum over k of in[r * pitch + k] * weights[k * ld]; in and pitch: multiples of 16 bytes.
template <int R>
__device__ inline void row_products(const float* weights, Index ld, int count, const float* in, int pitch,
                                    float (&sum)[R]) {
  int k = 0;
  for (; k + 4 <= count; k += 4) {
    float w[4];
    for (int i = 0; i < 4; ++i) w[i] = weights[(k + i) * ld];
    for (int r = 0; r < R; ++r) {
      const Four f = *reinterpret_cast<const Four*>(in + r * pitch + k);
      for (int i = 0; i < 4; ++i) sum[r] += f.v[i] * w[i];
    }
  }
  for (; k < count; ++k)
    for (int r = 0; r < R; ++r) sum[r] += in[r * pitch + k] * weights[k * ld];
}

// A block owns R rows. Columns of the products are threads; (row, unit) pairs belong to one thread each
// for good, so that only products need a barrier.
template <class Cell, int R>
struct SequenceForward {
  Steps s;
  int pitch;

  static int shared(const Steps& s, int pitch) {
    const int dropped = s.h_mask ? Cell::kGates * pitch : 0, reset = Cell::kTwoPhases ? pitch : 0;
    return R * (2 * pitch + dropped + reset + static_cast<int>(s.w));
  }

  __device__ void operator()(Index b, const Block& t) const {
    const int u = static_cast<int>(s.u), w = static_cast<int>(s.w);
    const Index first = b * R;
    float* const h = t.shared;
    float* const c = h + R * pitch;
    float* const reset = c + R * pitch;
    float* const dropped = reset + (Cell::kTwoPhases ? R * pitch : 0);
    float* const z = dropped + (s.h_mask ? R * Cell::kGates * pitch : 0);
    for (int e = t.thread; e < R * u; e += t.threads) {
      const int r = e / u, j = e % u;
      h[r * pitch + j] = first + r < s.n ? s.initial(0, first + r, j) : 0.0f;
      c[r * pitch + j] = Cell::kStates == 2 && first + r < s.n ? s.initial(1, first + r, j) : 0.0f;
    }
    t.sync();
    for (Index position = 0; position < s.t; ++position) {
      const Index time = s.time(position);
      if (s.h_mask) {
        for (int e = t.thread; e < R * w; e += t.threads) {
          const int r = e / w, column = e % w, g = column / u, k = column % u;
          if (first + r < s.n)
            dropped[(r * Cell::kGates + g) * pitch + k] =
                h[r * pitch + k] * s.h_mask[(first + r) * w + column];
        }
        t.sync();
      }
      const int last = (Cell::kGates - 1) * u;
      products(t, first, time, 0, Cell::kTwoPhases ? last : w, h, dropped, z);
      t.sync();
      if constexpr (Cell::kTwoPhases) {
        for (int e = t.thread; e < R * u; e += t.threads) {
          const int r = e / u, j = e % u;
          const Index row = first + r;
          if (row >= s.n) continue;
          const float gate = Cell::reset(s, row * s.t + time, j, z[r * w + u + j]);
          const float before = s.h_mask ? dropped[(r * Cell::kGates + 2) * pitch + j] : h[r * pitch + j];
          reset[r * pitch + j] = gate * before;
          if (s.aux) s.aux[(row * s.t + time) * s.u + j] = gate * before;
        }
        t.sync();
        products(t, first, time, last, w, reset, nullptr, z);
        t.sync();
      }
      for (int e = t.thread; e < R * u; e += t.threads) {
        const int r = e / u, j = e % u;
        const Index row = first + r;
        if (row >= s.n) continue;
        float a[Cell::kGates], q = 0;
        for (int g = 0; g < Cell::kGates; ++g) a[g] = z[r * w + g * u + j];
        if (Cell::kSpecial && !Cell::kTwoPhases) {
          q = a[Cell::kGates - 1];
          a[Cell::kGates - 1] = s.z[(row * s.t + time) * s.w + last + j];
        }
        step_forward<Cell>(s, row, position, j, a, q, h[r * pitch + j], c[r * pitch + j]);
      }
      t.sync();
    }
  }

  // z = projected input + products, columns [begin, end); the special product stands alone.
  __device__ void products(const Block& t, Index first, Index time, int begin, int end, const float* in,
                           const float* dropped, float* z) const {
    const int u = static_cast<int>(s.u), w = static_cast<int>(s.w), column = begin + t.thread;
    if (column >= end) return;
    const int g = column / u;
    const bool alone = Cell::kSpecial && !Cell::kTwoPhases && g == Cell::kGates - 1;
    float sum[R];
    for (int r = 0; r < R; ++r) {
      const Index row = first + r;
      if (alone) sum[r] = s.inner_bias ? s.inner_bias[column - g * u] : 0.0f;
      else sum[r] = row < s.n ? s.z[(row * s.t + time) * s.w + column] : 0.0f;
    }
    const bool drops = s.h_mask && dropped;
    row_products<R>(s.recurrent + column, s.w, u, drops ? dropped + g * pitch : in,
                    drops ? Cell::kGates * pitch : pitch, sum);
    for (int r = 0; r < R; ++r) z[r * w + column] = sum[r];
  }
};

template <class Cell, int R>
struct SequenceBackward {
  Steps s;
  int pitch;

  static int shared(const Steps& s, int pitch) {
    return R * ((3 + Cell::kGates) * pitch + static_cast<int>(s.w));
  }

  __device__ void operator()(Index b, const Block& t) const {
    const int u = static_cast<int>(s.u), w = static_cast<int>(s.w);
    const Index first = b * R;
    float* const dh = t.shared;
    float* const dc = dh + R * pitch;
    float* const waiting = dc + R * pitch;
    float* const rec = waiting + R * pitch;  // (R, gates, pitch)
    float* const part = rec + R * Cell::kGates * pitch;
    for (int e = t.thread; e < R * u; e += t.threads) {
      const int r = e / u, j = e % u, at = r * pitch + j;
      const Index from = (first + r) * s.u + j;
      const bool real_row = first + r < s.n;
      dh[at] = real_row && s.dlast[0] ? s.dlast[0][from] : 0.0f;
      dc[at] = real_row && s.dlast[1] ? s.dlast[1][from] : 0.0f;
      waiting[at] = 0;
    }
    for (Index position = s.t - 1; position >= 0; --position) {
      const Index time = s.time(position);
      for (int e = t.thread; e < R * u; e += t.threads) {
        const int r = e / u, j = e % u, at = r * pitch + j;
        float d[Cell::kGates] = {}, through[Cell::kGates] = {};
        if (position != s.t - 1)
          for (int g = 0; g < (Cell::kTwoPhases ? Cell::kGates - 1 : Cell::kGates); ++g)
            dh[at] += part[r * w + g * u + j];
        if (first + r < s.n)
          step_backward<Cell>(s, first + r, position, j, dh[at], dc[at], waiting[at], d, through);
        for (int g = 0; g < Cell::kGates; ++g) rec[(r * Cell::kGates + g) * pitch + j] = through[g];
      }
      t.sync();
      const int last = (Cell::kGates - 1) * u;
      if constexpr (Cell::kTwoPhases) {
        products(t, first, last, w, rec, part);
        t.sync();
        for (int e = t.thread; e < R * u; e += t.threads) {
          const int r = e / u, j = e % u;
          if (first + r < s.n)
            rec[(r * Cell::kGates + 1) * pitch + j] =
                Cell::reset_back(s, (first + r) * s.t + time, j, part[r * w + last + j], dh[r * pitch + j]);
        }
        t.sync();
      }
      if (position == 0) break;
      products(t, first, 0, Cell::kTwoPhases ? last : w, rec, part);
      t.sync();
    }
  }

  __device__ void products(const Block& t, Index first, int begin, int end, const float* rec,
                           float* part) const {
    const int u = static_cast<int>(s.u), w = static_cast<int>(s.w), column = begin + t.thread;
    if (column >= end) return;
    const int g = column / u, k = column % u;
    float sum[R] = {};
    row_products<R>(s.turned + static_cast<Index>(g) * u * u + k, u, u, rec + g * pitch, Cell::kGates * pitch,
                    sum);
    for (int r = 0; r < R; ++r) {
      if (s.h_mask && first + r < s.n) sum[r] *= s.h_mask[(first + r) * w + column];
      part[r * w + column] = sum[r];
    }
  }
};

template <template <class, int> class Kernel, class Cell>
void launch_sequence(DeviceStream* stream, const Steps& s) {
  const int pitch = round_to_four(s.u), threads = (static_cast<int>(s.w) + 31) / 32 * 32;
  constexpr Index kMultiprocessors = 132;
  // Rows of one block share what it reads of the recurrent kernel, but go one after the other.
  if (s.n > 2 * kMultiprocessors)
    for_blocks(stream, (s.n + 3) / 4, threads, Kernel<Cell, 4>::shared(s, pitch), Kernel<Cell, 4>{s, pitch});
  else if (s.n > kMultiprocessors)
    for_blocks(stream, (s.n + 1) / 2, threads, Kernel<Cell, 2>::shared(s, pitch), Kernel<Cell, 2>{s, pitch});
  else for_blocks(stream, s.n, threads, Kernel<Cell, 1>::shared(s, pitch), Kernel<Cell, 1>{s, pitch});
}

// Extended lambdas may not stand inside `if constexpr`.
template <class Cell>
void reset_phase(const Run& r, const Rnn& c, const Steps& steps, Index time, const float* h, float* reset) {
  Steps s = steps;
  const Divider by_u(s.u);
  for_each(r.stream, s.n * s.u, [=] __device__(Index i) {
    const Index row = by_u.quotient(i), j = i - row * s.u, at = row * s.t + time;
    float rh = Cell::reset(s, at, j, s.z[at * s.w + s.u + j]) * h[i];
    if (s.h_mask) rh *= s.h_mask[row * s.w + 2 * s.u + j];
    reset[i] = rh;
    if (s.aux) s.aux[at * s.u + j] = rh;
  });
  s.h_mask = nullptr;  // the factors are in already
  rnn_step_product(r, c, s, time, c.parts - 1, reset);
}

template <class Cell>
void reset_phase_back(const Run& r, const Rnn& c, const Steps& steps, Index time, float* product, float* dh) {
  const Steps s = steps;
  const Divider by_u(s.u);
  rnn_step_product_back(r, c, s, time, c.parts - 1, nullptr, product);
  for_each(r.stream, s.n * s.u, [=] __device__(Index i) {
    const Index row = by_u.quotient(i), j = i - row * s.u;
    float drh = product[i];
    if (s.h_mask) drh *= s.h_mask[row * s.w + 2 * s.u + j];
    Cell::reset_back(s, row * s.t + time, j, drh, dh[i]);
  });
}

template <class Cell>
void steps_forward(const Run& r, const Rnn& c, const Steps& steps) {
  const Steps s = steps;
  const Divider by_u(s.u);
  float* const h = r.scratch(c.now_h);
  float* const cell = Cell::kStates == 2 ? static_cast<float*>(r.scratch(c.now_c)) : nullptr;
  for_each(r.stream, s.n * s.u, [=] __device__(Index i) {
    const Index row = by_u.quotient(i), j = i - row * s.u;
    h[i] = s.initial(0, row, j);
    if (Cell::kStates == 2) cell[i] = s.initial(1, row, j);
  });
  float* const reset = Cell::kTwoPhases ? static_cast<float*>(r.scratch(c.dh)) : nullptr;
  for (Index position = 0; position < s.t; ++position) {
    const Index time = c.backwards ? s.t - 1 - position : position;
    for (int part = 0; part < (Cell::kTwoPhases ? c.parts - 1 : c.parts); ++part)
      rnn_step_product(r, c, s, time, part, h);
    if constexpr (Cell::kTwoPhases) reset_phase<Cell>(r, c, s, time, h, reset);
    for_each(r.stream, s.n * s.u, [=] __device__(Index i) {
      const Index row = by_u.quotient(i), j = i - row * s.u, at = row * s.t + time;
      float a[Cell::kGates], none = 0;
      for (int g = 0; g < Cell::kGates; ++g) a[g] = s.z[at * s.w + g * s.u + j];
      const float q = Cell::kSpecial && !Cell::kTwoPhases ? s.aux[at * s.u + j] : 0.0f;
      step_forward<Cell>(s, row, position, j, a, q, h[i], Cell::kStates == 2 ? cell[i] : none);
    });
  }
}

template <class Cell>
void steps_backward(const Run& r, const Rnn& c, const Steps& steps) {
  const Steps s = steps;
  const Divider by_u(s.u);
  float* const dh = r.scratch(c.dh);
  float* const dc = r.scratch(c.dc);
  float* const waiting = r.scratch(c.waiting);
  float* const product = r.scratch(c.product);
  for_each(r.stream, s.n * s.u, [=] __device__(Index i) {
    dh[i] = s.dlast[0] ? s.dlast[0][i] : 0.0f;
    dc[i] = s.dlast[1] ? s.dlast[1][i] : 0.0f;
    waiting[i] = 0;
  });
  for (Index position = s.t - 1; position >= 0; --position) {
    const Index time = c.backwards ? s.t - 1 - position : position;
    for_each(r.stream, s.n * s.u, [=] __device__(Index i) {
      const Index row = by_u.quotient(i), j = i - row * s.u;
      float d[Cell::kGates], through[Cell::kGates];
      step_backward<Cell>(s, row, position, j, dh[i], dc[i], waiting[i], d, through);
    });
    if constexpr (Cell::kTwoPhases) reset_phase_back<Cell>(r, c, s, time, product, dh);
    if (position == 0) break;
    for (int part = 0; part < (Cell::kTwoPhases ? c.parts - 1 : c.parts); ++part)
      rnn_step_product_back(r, c, s, time, part, dh, product);
  }
}

template <class Cell>
void sequence_forward(const Run& r, const Rnn& c) {
  const Steps s = rnn_begin(r, c, false);
  if (c.one_launch) launch_sequence<SequenceForward, Cell>(r.stream, s);
  else steps_forward<Cell>(r, c, s);
}

template <class Cell>
void sequence_backward(const Run& r, const Rnn& c) {
  const Steps s = rnn_begin(r, c, true);
  if (c.one_launch) launch_sequence<SequenceBackward, Cell>(r.stream, s);
  else steps_backward<Cell>(r, c, s);
  rnn_gradients(r, c);
}

}  // namespace pyseq::cuda
