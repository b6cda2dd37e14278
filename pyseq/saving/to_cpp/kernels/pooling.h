// Pooling over windows of (D, H, W, C) and over all places.
template <int D, int H, int W, int C, int KD, int KH, int KW, int SD, int SH, int SW, int BD, int BH, int BW,
          int OD, int OH, int OW, bool Max>
void pool(const float* x, float* y) {
  // Windows that all lie inside have constant sizes.
  constexpr bool inside = BD + BH + BW == 0 && (OD - 1) * SD + KD <= D && (OH - 1) * SH + KH <= H &&
                          (OW - 1) * SW + KW <= W;
  for (int d = 0; d < OD; ++d)
    for (int h = 0; h < OH; ++h)
      for (int w = 0; w < OW; ++w, y += C) {
        const int d0 = larger(0, d * SD - BD), h0 = larger(0, h * SH - BH), w0 = larger(0, w * SW - BW);
        const int nd = inside ? KD : smaller(D, d * SD - BD + KD) - d0;
        const int nh = inside ? KH : smaller(H, h * SH - BH + KH) - h0;
        const int nw = inside ? KW : smaller(W, w * SW - BW + KW) - w0;
        const float* from = x + ((d0 * H + h0) * W + w0) * C;
        const float count = static_cast<float>(nd * nh * nw);
        each_channel<C>([&](int c, auto get, auto put) PYSEQ_LAMBDA {
          auto s = get(from + c);
          if constexpr (!Max) s = s - s;
          for (int i = 0; i < nd; ++i)
            for (int j = 0; j < nh; ++j)
              for (int k = 0; k < nw; ++k) {
                const auto v = get(from + ((i * H + j) * W + k) * C + c);
                if constexpr (Max) s = max_v(v, s);
                else s += v;
              }
          if constexpr (!Max) s = s / count;
          put(y + c, s);
        });
      }
}
template <int N, int C, bool Max>
void global_pool(const float* x, float* y) {
  std::memcpy(y, x, bytes(C));
  for (int n = 1; n < N; ++n) {
    if constexpr (Max)
      map2<C>(x + n * C, y, y, [](auto a, auto b) PYSEQ_LAMBDA { return select(b >= a, b, a); });
    else map2<C>(x + n * C, y, y, [](auto a, auto b) PYSEQ_LAMBDA { return a + b; });
  }
  if constexpr (!Max) map<C>(y, y, [](auto a) PYSEQ_LAMBDA { return a * (1.0f / N); });
}
template <int N, int C>
void masked_mean(const float* x, const float* mask, float* y) {
  float count = 0;
  for (int c = 0; c < C; ++c) y[c] = 0;
  for (int n = 0; n < N; ++n) {
    count += mask[n];
    for (int c = 0; c < C; ++c) y[c] += x[n * C + c] * mask[n];
  }
  for (int c = 0; c < C; ++c) y[c] /= count;
}
// One axis of an adaptive pooling: y[o, k, i] over x[o, floor(k N / K) .. ceil((k + 1) N / K), i]
template <int Outer, int N, int K, int Inner, bool Max>
void adaptive_pool(const float* x, float* y) {
  for (int o = 0; o < Outer; ++o)
    for (int k = 0; k < K; ++k) {
      const int first = k * N / K, last = ceil_div((k + 1) * N, K);
      for (int i = 0; i < Inner; ++i) {
        float s = x[(o * N + first) * Inner + i];
        for (int n = first + 1; n < last; ++n) {
          const float v = x[(o * N + n) * Inner + i];
          s = Max ? (v > s ? v : s) : s + v;
        }
        y[(o * K + k) * Inner + i] = Max ? s : s / static_cast<float>(last - first);
      }
    }
}
// y (.., K, ..) = m (K, N) x (.., N, ..)
template <int Outer, int N, int K, int Inner>
void weigh(const float* x, const float* m, float* y) {
  for (int o = 0; o < Outer; ++o)
    for (int k = 0; k < K; ++k)
      for (int i = 0; i < Inner; ++i) {
        float s = 0;
        for (int n = 0; n < N; ++n) s += m[k * N + n] * x[(o * N + n) * Inner + i];
        y[(o * K + k) * Inner + i] = s;
      }
}
