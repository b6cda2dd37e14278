// Dense layers and convolutions. Weights are packed as (panels, K, PW): K inputs, and PW outputs whose
// sums stay in registers while the inputs pass.
constexpr int kSums = kLanes == 16 ? 16 : 8;  // vectors of sums at a time
constexpr int vectors_of(int width, int lanes) {
  int n = 4;
  while (width / lanes % n != 0) --n;
  return n;
}

// sums[c][v] += x[k] w[k][v] for k < K, with C sums side by side so that none waits for another.
template <int K, int PW, int C, int NV, class V>
PYSEQ_INLINE void add_one(const float* x, const float* w, V (&sums)[C][NV]) {
  constexpr int L = lanes_of<V>, rest = K % C;
  const auto one = [&](int k, auto c) PYSEQ_LAMBDA {
    const V s = splat<V>(x[k]);
    each<NV>([&](auto v) PYSEQ_LAMBDA { sums[c][v] += s * load<V>(w + k * PW + v * L); });
  };
  for (int k = 0; k + C <= K; k += C) each<C>([&](auto c) PYSEQ_LAMBDA { one(k + c, c); });
  each<rest>([&](auto c) PYSEQ_LAMBDA { one(K - rest + c, c); });
}
// sums[p][v] += x[p SX + k] w[k][v] for k < K: P places at a time.
template <int K, int PW, int SX, int P, int NV, class V>
PYSEQ_INLINE void add_several(const float* x, const float* w, V (&sums)[P][NV]) {
  constexpr int L = lanes_of<V>;
  for (int k = 0; k < K; ++k) {
    V weights[NV];
    each<NV>([&](auto v) PYSEQ_LAMBDA { weights[v] = load<V>(w + k * PW + v * L); });
    each<P>([&](auto p) PYSEQ_LAMBDA {
      const V s = splat<V>(x[p * SX + k]);
      each<NV>([&](auto v) PYSEQ_LAMBDA { sums[p][v] += s * weights[v]; });
    });
  }
}
template <int C, int NV, class V>
PYSEQ_INLINE void add_up(V (&sums)[C][NV]) {
  if constexpr (C > 1) {
    each<(C + 1) / 2>([&](auto c) PYSEQ_LAMBDA {
      constexpr int other = decltype(c)::value + (C + 1) / 2;
      if constexpr (other < C)
        each<NV>([&](auto v) PYSEQ_LAMBDA { sums[c][v] += sums[other][v]; });
    });
    V half[(C + 1) / 2][NV];
    each<(C + 1) / 2>(
        [&](auto c) PYSEQ_LAMBDA { each<NV>([&](auto v) PYSEQ_LAMBDA { half[c][v] = sums[c][v]; }); });
    add_up(half);
    each<NV>([&](auto v) PYSEQ_LAMBDA { sums[0][v] = half[0][v]; });
  }
}
constexpr int chains_of(int vectors, int inputs) {
  int chains = 1;
  while (2 * chains * vectors <= 8 && 2 * chains <= inputs) chains *= 2;
  return chains;
}

// Sizes of a convolution over an input (D, H, W, C) that zeros were put around already.
template <int D_, int H_, int W_, int C_, int KD_, int KH_, int KW_, int SD_, int SH_, int SW_, int TD_,
          int TH_, int TW_, int F_, int Groups_, int PW_>
struct Window {
  static constexpr int D = D_, H = H_, W = W_, C = C_, KD = KD_, KH = KH_, KW = KW_, SD = SD_, SH = SH_,
                       SW = SW_, TD = TD_, TH = TH_, TW = TW_, F = F_, Groups = Groups_, PW = PW_;
  static constexpr int OD = (D - (KD - 1) * TD - 1) / SD + 1, OH = (H - (KH - 1) * TH - 1) / SH + 1,
                       OW = (W - (KW - 1) * TW - 1) / SW + 1;
  static constexpr int CI = C / Groups, FO = F / Groups, Panels = ceil_div(FO, PW);
  // Neighbouring taps are one run of inputs.
  static constexpr bool joined = TW == 1 && Groups == 1;
  static constexpr int Run = joined ? KW * CI : CI, Runs = joined ? 1 : KW;
  static constexpr int K = KD * KH * KW * CI;
};

// P places of one row and NV vectors of filters, the first `Valid` of whose numbers are wanted.
template <class S, int P, int NV, int Valid, class V, class Act>
PYSEQ_INLINE void conv_block(const float* x, const float* w, const float* b, float* y, Act act) {
  constexpr int L = lanes_of<V>, C = P == 1 ? chains_of(NV, S::Run) : P;
  V sums[C][NV];
  each<C>([&](auto c) PYSEQ_LAMBDA {
    each<NV>([&](auto v) PYSEQ_LAMBDA { sums[c][v] = P > 1 || c == 0 ? load<V>(b + v * L) : V{}; });
  });
  for (int d = 0; d < S::KD; ++d)
    for (int h = 0; h < S::KH; ++h)
      for (int r = 0; r < S::Runs; ++r) {
        const float* from = x + ((d * S::TD * S::H + h * S::TH) * S::W + r * S::TW) * S::C;
        const float* taps = w + ((d * S::KH + h) * S::Runs + r) * S::Run * S::PW;
        if constexpr (P == 1) add_one<S::Run, S::PW>(from, taps, sums);
        else add_several<S::Run, S::PW, S::SW * S::C>(from, taps, sums);
      }
  if constexpr (P == 1) add_up(sums);
  each<P>([&](auto p) PYSEQ_LAMBDA {
    each<NV>([&](auto v) PYSEQ_LAMBDA {
      constexpr int at = decltype(v)::value * L, rest = Valid - at;
      if constexpr (rest > 0)
        store_first<smaller(rest, L)>(y + p * S::F + at, act(sums[p][v]));
    });
  });
}

template <class S, int P, int Valid, class Act>
PYSEQ_INLINE void conv_places(const float* x, const float* w, const float* b, float* y, Act act) {
  constexpr int L = fitting(S::PW), NV = vectors_of(S::PW, L), B = NV * L;
  each<S::PW / B>([&](auto j) PYSEQ_LAMBDA {
    constexpr int at = decltype(j)::value * B;
    if constexpr (at < Valid)
      conv_block<S, P, NV, Valid - at, Vec<L>>(x, w + at, b + at, y + at, act);
  });
}

template <class S, int Valid, class Act>
void conv_panel(const float* x, const float* w, const float* b, float* y, Act act) {
  constexpr int NV = vectors_of(S::PW, fitting(S::PW));
  constexpr int most = larger(1, smaller(8, (kLanes == 16 ? 24 : 12) / NV));
  constexpr int P = ceil_div(S::OW, ceil_div(S::OW, most)), rest = S::OW % P;
  for (int d = 0; d < S::OD; ++d)
    for (int h = 0; h < S::OH; ++h) {
      const float* row = x + (d * S::SD * S::H + h * S::SH) * S::W * S::C;
      float* to = y + (d * S::OH + h) * S::OW * S::F;
      int i = 0;
      for (; i + P <= S::OW; i += P)
        conv_places<S, P, Valid>(row + i * S::SW * S::C, w, b, to + i * S::F, act);
      if constexpr (rest > 0)
        conv_places<S, rest, Valid>(row + i * S::SW * S::C, w, b, to + i * S::F, act);
    }
}

// y = act(conv(x, w) + b)
template <class S, class Act>
PYSEQ_INLINE void conv(const float* x, const float* w, const float* b, float* y, Act act) {
  constexpr int last = S::FO - (S::Panels - 1) * S::PW;
  for (int g = 0; g < S::Groups; ++g) {
    const float* from = x + g * S::CI;
    float* to = y + g * S::FO;
    for (int p = 0; p + 1 < S::Panels; ++p, w += S::K * S::PW, b += S::PW, to += S::PW)
      conv_panel<S, S::PW>(from, w, b, to, act);
    conv_panel<S, last>(from, w, b, to, act);
    w += S::K * S::PW, b += S::PW;
  }
}

// y = act(x w + b) of each of the rows
template <int Rows, int I, int O, int PW, class Act>
PYSEQ_INLINE void dense(const float* x, const float* w, const float* b, float* y, Act act) {
  conv<Window<1, 1, Rows, I, 1, 1, 1, 1, 1, 1, 1, 1, 1, O, 1, PW>>(x, w, b, y, act);
}

// Few outputs of many inputs: w (O, I), a product of vectors for each.
template <int Rows, int I, int O, class Act>
void dense_dots(const float* x, const float* w, const float* b, float* y, Act act) {
  using V = Vec<kLanes>;
  constexpr int whole = I / kLanes * kLanes, rest = I - whole;
  for (int r = 0; r < Rows; ++r, x += I, y += O) {
    V sums[O] = {};
    const auto step = [&](int i, auto get) PYSEQ_LAMBDA {
      const V s = get(x + i);
      each<O>([&](auto o) PYSEQ_LAMBDA { sums[o] += s * get(w + o * I + i); });
    };
    for (int i = 0; i < whole; i += kLanes)
      step(i, [](const float* p) PYSEQ_LAMBDA { return load<V>(p); });
    if constexpr (rest > 0)
      step(whole, [](const float* p) PYSEQ_LAMBDA { return load_first<V, rest>(p); });
    each<O>([&](auto o) PYSEQ_LAMBDA { y[o] = sum_v(sums[o]) + b[o]; });
    map<O>(y, y, act);
  }
}

// y[.., c] = act(sum over taps of x[.., c] w[tap][c] + b[c]); rows of w and b are CP apart.
template <class S, int CP, class Act>
void depthwise(const float* x, const float* w, const float* b, float* y, Act act) {
  constexpr int C = S::C;
  for (int d = 0; d < S::OD; ++d)
    for (int h = 0; h < S::OH; ++h)
      for (int i = 0; i < S::OW; ++i, y += C) {
        const float* from = x + ((d * S::SD * S::H + h * S::SH) * S::W + i * S::SW) * C;
        const auto place = [&](int c, auto get, auto put) PYSEQ_LAMBDA {
          auto s = get(b + c);
          for (int p = 0; p < S::KD; ++p)
            for (int q = 0; q < S::KH; ++q)
              for (int r = 0; r < S::KW; ++r)
                s += get(from + ((p * S::TD * S::H + q * S::TH) * S::W + r * S::TW) * C + c) *
                     get(w + ((p * S::KH + q) * S::KW + r) * CP + c);
          put(y + c, act(s));
        };
        each_channel<C>(place);
      }
}

// The convolution whose gradient this is maps y to x: an output takes what lies a whole number of
// strides away. S has the sizes of x; B* are the pads, O* the sizes of y.
template <class S, int BD, int BH, int BW, int OD, int OH, int OW, class Act>
void conv_transpose(const float* x, const float* w, const float* b, float* y, Act act) {
  constexpr int L = fitting(S::PW), NV = S::PW / L, F = S::F;
  using V = Vec<L>;
  const auto source = [](int o, int k, int tap, int stride, int pad, int size) PYSEQ_LAMBDA {
    const int at = o + pad - k * tap;
    return at < 0 || at % stride != 0 || at / stride >= size ? -1 : at / stride;
  };
  const auto panel = [&](auto valid, int first) PYSEQ_LAMBDA {
    const float* taps = w + first * S::K;
    for (int d = 0; d < OD; ++d)
      for (int h = 0; h < OH; ++h)
        for (int i = 0; i < OW; ++i) {
          V sums[1][NV];
          each<NV>([&](auto v) PYSEQ_LAMBDA { sums[0][v] = load<V>(b + first + v * L); });
          for (int p = 0; p < S::KD; ++p)
            for (int q = 0; q < S::KH; ++q)
              for (int r = 0; r < S::KW; ++r) {
                const int xd = source(d, p, S::TD, S::SD, BD, S::D), xh = source(h, q, S::TH, S::SH, BH, S::H),
                          xw = source(i, r, S::TW, S::SW, BW, S::W);
                if (xd < 0 || xh < 0 || xw < 0) continue;
                add_one<S::C, S::PW>(x + ((xd * S::H + xh) * S::W + xw) * S::C,
                                     taps + ((p * S::KH + q) * S::KW + r) * S::C * S::PW, sums);
              }
          float* to = y + ((d * OH + h) * OW + i) * F + first;
          each<NV>([&](auto v) PYSEQ_LAMBDA {
            constexpr int rest = decltype(valid)::value - decltype(v)::value * L;
            if constexpr (rest > 0) store_first<smaller(rest, L)>(to + v * L, act(sums[0][v]));
          });
        }
  };
  for (int p = 0; p + 1 < S::Panels; ++p) panel(std::integral_constant<int, S::PW>{}, p * S::PW);
  panel(std::integral_constant<int, F - (S::Panels - 1) * S::PW>{}, (S::Panels - 1) * S::PW);
}
