// Normalizations, softmax and tables.

// y = x scale + shift, which repeat with period C
template <int Rows, int C>
void scale_shift(const float* x, const float* scale, const float* shift, float* y) {
  for (int r = 0; r < Rows; ++r, x += C, y += C) {
    constexpr int whole = C / kLanes * kLanes;
    using V = Vec<kLanes>;
    for (int i = 0; i < whole; i += kLanes)
      store(y + i, load<V>(x + i) * load<V>(scale + i) + load<V>(shift + i));
    for (int i = whole; i < C; ++i) y[i] = x[i] * scale[i] + shift[i];
  }
}
// y = (x - mean) / sqrt(var + epsilon) gamma + beta over D numbers; Centered is whether the mean is taken
// off, Plain that var is the mean of squares.
template <int Rows, int D, bool Centered, bool Plain>
void layer_norm(const float* x, const float* gamma, const float* beta, float* y, float epsilon) {
  for (int r = 0; r < Rows; ++r, x += D, y += D) {
    const float mean = Plain ? 0.0f : sum<D>(x, [](auto v) PYSEQ_LAMBDA { return v; }) / D;
    const float variance = sum<D>(x, [=](auto v) PYSEQ_LAMBDA { return (v - mean) * (v - mean); }) / D;
    const float factor = 1.0f / std::sqrt(variance + epsilon), off = Centered ? mean : 0.0f;
    map2<D>(x, gamma, y, [=](auto v, auto g) PYSEQ_LAMBDA { return (v - off) * factor * g; });
    map2<D>(y, beta, y, [](auto v, auto b) PYSEQ_LAMBDA { return v + b; });
  }
}
template <int N, int C, int Groups>
void group_norm(const float* x, const float* gamma, const float* beta, float* y, float epsilon) {
  constexpr int CI = C / Groups;
  for (int g = 0; g < Groups; ++g) {
    float mean = 0, variance = 0;
    const auto all = [&](auto f) {
      for (int n = 0; n < N; ++n)
        for (int c = g * CI; c < (g + 1) * CI; ++c) f(n * C + c, c);
    };
    all([&](int i, int) { mean += x[i]; });
    mean /= N * CI;
    all([&](int i, int) { variance += (x[i] - mean) * (x[i] - mean); });
    const float factor = 1.0f / std::sqrt(variance / (N * CI) + epsilon);
    all([&](int i, int c) { y[i] = (x[i] - mean) * factor * gamma[c] + beta[c]; });
  }
}
template <int Rows, int D>
void unit_norm(const float* x, float* y) {
  for (int r = 0; r < Rows; ++r, x += D, y += D) {
    const float length = std::sqrt(sum<D>(x, [](auto v) PYSEQ_LAMBDA { return v * v; }));
    const float by = length > 1e-12f ? length : 1e-12f;
    map<D>(x, y, [=](auto v) PYSEQ_LAMBDA { return v / by; });
  }
}
// Over the middle axis.
template <int Outer, int N, int Inner, bool Log>
void softmax(const float* x, float* y) {
  for (int o = 0; o < Outer; ++o, x += N * Inner, y += N * Inner) {
    float most[Inner], total[Inner] = {};
    for (int i = 0; i < Inner; ++i) most[i] = x[i];
    for (int n = 1; n < N; ++n)
      for (int i = 0; i < Inner; ++i) most[i] = x[n * Inner + i] > most[i] ? x[n * Inner + i] : most[i];
    for (int n = 0; n < N; ++n)
      for (int i = 0; i < Inner; ++i) y[n * Inner + i] = x[n * Inner + i] - most[i];
    if constexpr (Log) {
      for (int n = 0; n < N; ++n)
        for (int i = 0; i < Inner; ++i) total[i] += std::exp(y[n * Inner + i]);
      for (int i = 0; i < Inner; ++i) total[i] = std::log(total[i]);
      for (int n = 0; n < N; ++n)
        for (int i = 0; i < Inner; ++i) y[n * Inner + i] -= total[i];
    } else {
      map<N * Inner>(y, y, [](auto v) PYSEQ_LAMBDA { return exp_v(v); });
      for (int n = 0; n < N; ++n)
        for (int i = 0; i < Inner; ++i) total[i] += y[n * Inner + i];
      for (int n = 0; n < N; ++n)
        for (int i = 0; i < Inner; ++i) y[n * Inner + i] /= total[i];
    }
  }
}
// max(x - tau, 0) with the sum 1
template <int Outer, int N, int Inner>
void sparsemax(const float* x, float* y) {
  for (int o = 0; o < Outer; ++o)
    for (int i = 0; i < Inner; ++i) {
      const float* z = x + o * N * Inner + i;
      float most = z[0];
      for (int n = 1; n < N; ++n) most = z[n * Inner] > most ? z[n * Inner] : most;
      // tau grows to its value as numbers below it leave the sum.
      float tau = -kInf;
      for (int round = 0, count = 0; round <= N; ++round) {
        float total = 0;
        int inside = 0;
        for (int n = 0; n < N; ++n)
          if (z[n * Inner] - most > tau) total += z[n * Inner] - most, ++inside;
        if (inside == count) break;
        count = inside;
        tau = (total - 1.0f) / static_cast<float>(inside);
      }
      for (int n = 0; n < N; ++n) {
        const float v = z[n * Inner] - most - tau;
        y[(o * N + n) * Inner + i] = v > 0 ? v : 0.0f;
      }
    }
}
// Rows of a table (V, D); an id outside gives NaN.
template <int N, int V, int D, class Id>
void embedding(const Id* ids, const float* table, float* y) {
  for (int n = 0; n < N; ++n, y += D) {
    const bool known = ids[n] >= 0 && ids[n] < V;
    if (known) std::memcpy(y, table + static_cast<std::size_t>(ids[n]) * D, bytes(D));
    for (int d = 0; d < D && !known; ++d) y[d] = kNaN;
  }
}
template <int Outer, int N, int Inner>
void glu(const float* x, float* y) {
  for (int o = 0; o < Outer; ++o)
    map2<N * Inner>(x + 2 * o * N * Inner, x + (2 * o + 1) * N * Inner, y + o * N * Inner,
                    [](auto a, auto b) PYSEQ_LAMBDA { return a * sigmoid_v(b); });
}
// mask = any(x != value), y = x mask
template <int Rows, int D>
void masking(const float* x, float* y, float* mask, float value) {
  for (int r = 0; r < Rows; ++r) {
    bool kept = false;
    for (int d = 0; d < D; ++d) kept = kept || x[r * D + d] != value;
    mask[r] = kept ? 1.0f : 0.0f;
    for (int d = 0; d < D; ++d) y[r * D + d] = x[r * D + d] * mask[r];
  }
}
