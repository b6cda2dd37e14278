// Recurrent layers. Weights are (I + U, UP / G, gates, G): a row holds, for groups of G units, what one
// input gives to each gate. The sums of all gates of a block of units stay in registers.

// sigmoid and tanh for gates: a few 1e-7 of the value.
template <class V>
PYSEQ_INLINE V gate_reciprocal(V x) {
#if defined(PYSEQ_VECTORS) && defined(__AVX512F__)
  if constexpr (lanes_of<V> == 16) {
    // 14 bits and one Newton step.
    const V r = __builtin_ia32_rcp14ps512_mask(x, V{}, static_cast<unsigned short>(-1));
    return r * (2.0f - x * r);
  }
#endif
  return 1.0f / x;
}
// x = n ln 2 + r; `power` is 2^n, `small` is e^r - 1. |x| <= 86.
template <class V>
PYSEQ_INLINE void gate_exp_parts(V x, V& power, V& small) {
  using U = UnsignedOf<V>;
  const V shifted = opaque(x * splat<V>(kLog2E) + splat<V>(kRounder));
  const V n = shifted - splat<V>(kRounder);
  small = expm1_reduced(x - n * splat<V>(0.693147181f));
  // The low bits of `shifted` are n.
  power = bits<V>((bits<U>(shifted) << 23) + bits<U>(splat<V>(1)));
}
struct GateSigmoid {
  template <class V>
  PYSEQ_INLINE V operator()(V x) const {
    V power, small;
    gate_exp_parts(clamp_v(-x, -86, 86), power, small);
    return gate_reciprocal(1.0f + (power + power * small));
  }
};
struct GateTanh {
  template <class V>
  PYSEQ_INLINE V operator()(V x) const {
    V power, small;
    gate_exp_parts(2.0f * clamp_v(x, -10, 10), power, small);
    const V e = power * small + (power - 1.0f);
    return min_v(splat<V>(1), max_v(splat<V>(-1), e * gate_reciprocal(e + 2.0f)));
  }
};

constexpr int group_of(int units) { return units > 8 ? 16 : units > 4 ? 8 : 4; }
// Units at a time: vectors of `slots` sums for each have to fit the registers.
constexpr int block_of(int padded, int lanes, int slots) {
  int block = larger(1, (kLanes == 16 ? 16 : 8) / slots) * lanes;
  while (padded % block != 0) block -= lanes;
  return block;
}

// How the units of a layer lie in vectors: `Gates` columns a unit in the weights, `Slots` sums.
template <int U_, int Gates_, int Slots_>
struct Units {
  static constexpr int U = U_, Gates = Gates_, Slots = Slots_;
  static constexpr int G = group_of(U), UP = ceil_div(U, G) * G, Row = Gates * UP;
  static constexpr int L = smaller(G, kLanes), B = block_of(UP, L, Slots), NB = B / L, Blocks = UP / B;
  // Enough sums in flight to hide the latency of a product, as far as the registers reach.
  static constexpr int chains(int inputs) {
    constexpr int most = kLanes == 16 ? 16 : 8;
    int c = 1;
    while (c * Gates * NB < 8 && 2 * c * Slots * NB <= most && 2 * c <= inputs) c *= 2;
    return c;
  }
  using V = Vec<L>;
  // f(first unit, how many of its block there are, as a constant) for each block
  template <class F>
  PYSEQ_INLINE static void blocks(F f) {
    for (int j = 0; j + 1 < Blocks; ++j) f(j * B, std::integral_constant<int, B>{});
    f((Blocks - 1) * B, std::integral_constant<int, U - (Blocks - 1) * B>{});
  }
  static constexpr int column(int gate, int unit) { return unit / G * Gates * G + gate * G + unit % G; }
};

// sums[.][slot of gate] += x[k] w[k] for k < K; the last gate has the slot `Last`.
template <class S, int K, int Last, int C, class V>
PYSEQ_INLINE void add_gates(const float* x, const float* w, V (&sums)[C][S::Slots][S::NB]) {
  constexpr int rest = K % C;
  const auto one = [&](int k, auto c) PYSEQ_LAMBDA {
    const V s = splat<V>(x[k]);
    const float* row = w + k * S::Row;
    each<S::Gates>([&](auto g) PYSEQ_LAMBDA {
      constexpr int gate = decltype(g)::value, slot = gate == S::Gates - 1 ? Last : gate;
      each<S::NB>([&](auto n) PYSEQ_LAMBDA {
        constexpr int at = S::column(gate, decltype(n)::value * S::L);
        sums[c][slot][n] += s * load<V>(row + at);
      });
    });
  };
  for (int k = 0; k + C <= K; k += C) each<C>([&](auto c) PYSEQ_LAMBDA { one(k + c, c); });
  each<rest>([&](auto c) PYSEQ_LAMBDA { one(K - rest + c, c); });
}
template <class S, int C, class V>
PYSEQ_INLINE void begin_gates(const float* b, V (&sums)[C][S::Slots][S::NB]) {
  each<C>([&](auto c) PYSEQ_LAMBDA {
    each<S::Slots>([&](auto g) PYSEQ_LAMBDA {
      each<S::NB>([&](auto n) PYSEQ_LAMBDA {
        sums[c][g][n] = c == 0 ? load<V>(b + g * S::UP + n * S::L) : V{};
      });
    });
  });
}
template <class S, int C, class V>
PYSEQ_INLINE void end_gates(V (&sums)[C][S::Slots][S::NB]) {
  each<C - 1>([&](auto c) PYSEQ_LAMBDA {
    each<S::Slots>([&](auto g) PYSEQ_LAMBDA {
      each<S::NB>([&](auto n) PYSEQ_LAMBDA { sums[0][g][n] += sums[c + 1][g][n]; });
    });
  });
}
// f(unit, sums, rest) for each vector of units: their sums b + x K + h R by slot, of `rest` units. The
// last gate of x and that of h may have slots of their own.
template <class S, int I, class F>
PYSEQ_INLINE void each_units(const float* w, const float* b, const float* x, const float* h, F f) {
  using V = typename S::V;
  S::blocks([&](int first, auto count) PYSEQ_LAMBDA {
    V z[S::chains(I + S::U)][S::Slots][S::NB];
    const float* columns = w + S::column(0, first);
    begin_gates<S>(b + first, z);
    add_gates<S, I, S::Gates - 1>(x, columns, z);
    add_gates<S, S::U, S::Slots - 1>(h, columns + I * S::Row, z);
    end_gates<S>(z);
    each<S::NB>([&](auto n) PYSEQ_LAMBDA {
      constexpr int at = decltype(n)::value * S::L, rest = smaller(decltype(count)::value - at, S::L);
      if constexpr (rest > 0) {
        V sums[S::Slots];
        each<S::Slots>([&](auto g) PYSEQ_LAMBDA { sums[g] = z[0][g][n]; });
        f(first + at, sums, std::integral_constant<int, rest>{});
      }
    });
  });
}

// z = x K + h R + b in gates i, f, g, o;  c = rec(f) c + rec(i) act(g);  h = rec(o) act(c)
template <int I, int U_, class Act, class Rec>
struct Lstm {
  static constexpr int Inputs = I, U = U_, States = 2;
  using S = Units<U, 4, 4>;
  const float *w, *b;
  Act act;
  Rec rec;
  PYSEQ_INLINE void operator()(const float* x, const float* h, float* next, float* c) const {
    using V = typename S::V;
    each_units<S, I>(w, b, x, h, [&](int j, const auto& z, auto rest) PYSEQ_LAMBDA {
      const V now = rec(z[1]) * load<V>(c + j) + rec(z[0]) * act(z[2]);
      store(c + j, now);
      store_first<decltype(rest)::value>(next + j, rec(z[3]) * act(now));
    });
  }
};

// Gates z, r, g;  h = z h + (1 - z) act(g_x + r g_h)
template <int I, int U_, class Act, class Rec>
struct Gru {
  static constexpr int Inputs = I, U = U_, States = 1;
  using S = Units<U, 3, 4>;
  const float *w, *b;
  Act act;
  Rec rec;
  PYSEQ_INLINE void operator()(const float* x, const float* h, float* next, float*) const {
    using V = typename S::V;
    each_units<S, I>(w, b, x, h, [&](int j, const auto& z, auto rest) PYSEQ_LAMBDA {
      const V update = rec(z[0]), reset = rec(z[1]), g = act(z[2] + reset * z[3]);
      const V before = load_first<V, decltype(rest)::value>(h + j);
      store_first<decltype(rest)::value>(next + j, update * before + (1.0f - update) * g);
    });
  }
};

// The same with r before the product: g = act(g_x + (r h) R_g). The weights of z and r, then of g.
template <int I, int U_, class Act, class Rec>
struct GruBefore {
  static constexpr int Inputs = I, U = U_, States = 1;
  using S = Units<U, 2, 2>;
  const float *w, *w_g, *b, *b_g;
  Act act;
  Rec rec;
  PYSEQ_INLINE void operator()(const float* x, const float* h, float* next, float*) const {
    using V = typename S::V;
    alignas(64) float update[S::UP], product[S::UP];
    each_units<S, I>(w, b, x, h, [&](int j, const auto& z, auto rest) PYSEQ_LAMBDA {
      store(update + j, rec(z[0]));
      store_first<decltype(rest)::value>(
          product + j, rec(z[1]) * load_first<V, decltype(rest)::value>(h + j));
    });
    each_units<Units<U, 1, 1>, I>(w_g, b_g, x, product, [&](int j, const auto& z, auto rest) PYSEQ_LAMBDA {
      const V gate = load<V>(update + j), before = load_first<V, decltype(rest)::value>(h + j);
      store_first<decltype(rest)::value>(next + j, gate * before + (1.0f - gate) * act(z[0]));
    });
  }
};

// h = act(x K + h R + b)
template <int I, int U_, class Act>
struct SimpleRnn {
  static constexpr int Inputs = I, U = U_, States = 1;
  using S = Units<U, 1, 1>;
  const float *w, *b;
  Act act;
  PYSEQ_INLINE void operator()(const float* x, const float* h, float* next, float*) const {
    each_units<S, I>(w, b, x, h, [&](int j, const auto& z, auto rest) PYSEQ_LAMBDA {
      store_first<decltype(rest)::value>(next + j, act(z[0]));
    });
  }
};

// Two states, of which one is read while the other is written, and the cells of an LSTM.
template <int UP>
struct State {
  alignas(64) float h[2][UP] = {}, c[UP] = {};
  int now = 0;
  void reset() noexcept {
    std::memset(h, 0, sizeof h);
    std::memset(c, 0, sizeof c);
  }
};

// One step; a masked one leaves the state as it is.
template <class Cell, int UP>
PYSEQ_INLINE const float* advance(const Cell& cell, const float* x, State<UP>& s) {
  cell(x, s.h[s.now], s.h[1 - s.now], s.c);
  s.now = 1 - s.now;
  return s.h[s.now];
}

// All steps. mask (T) may be null, and states, h and c, where nobody wants them.
template <int T, bool Sequences, bool Backwards, bool ZeroMasked, class Cell>
void recur(const Cell& cell, const float* x, const float* mask, float* y, float* last_h, float* last_c) {
  constexpr int U = Cell::U;
  State<Cell::S::UP> s;
  const auto copy = [](const float* from, float* to) { std::memcpy(to, from, bytes(U)); };
  bool skipped = false;
  for (int t = 0; t < T; ++t) {
    const int at = Backwards ? T - 1 - t : t;
    skipped = mask != nullptr && mask[at] == 0;
    if (!skipped) advance(cell, x + at * Cell::Inputs, s);
    if constexpr (Sequences) {
      if (skipped && ZeroMasked) std::memset(y + t * U, 0, bytes(U));
      else copy(s.h[s.now], y + t * U);
    }
  }
  if constexpr (!Sequences) {
    if (skipped && ZeroMasked) std::memset(y, 0, bytes(U));
    else copy(s.h[s.now], y);
  }
  if (last_h != nullptr) copy(s.h[s.now], last_h);
  if (last_c != nullptr) copy(s.c, last_c);
}

// The next step of a sequence.
template <bool ZeroMasked, class Cell, int UP>
PYSEQ_INLINE void recur_one(const Cell& cell, const float* x, const float* mask, float* y, float* last_h,
                            float* last_c, State<UP>& s) {
  constexpr int U = Cell::U;
  const auto copy = [](const float* from, float* to) PYSEQ_LAMBDA { std::memcpy(to, from, bytes(U)); };
  const bool skipped = mask != nullptr && *mask == 0;
  if (!skipped) advance(cell, x, s);
  if (skipped && ZeroMasked) std::memset(y, 0, bytes(U));
  else copy(s.h[s.now], y);
  if (last_h != nullptr) copy(s.h[s.now], last_h);
  if (last_c != nullptr) copy(s.c, last_c);
}
