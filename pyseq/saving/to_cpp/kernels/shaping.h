// Numbers in other places, and arithmetic on values that are broadcast: nested loops over sizes and
// strides that are constants.
template <int... I>
struct Ints {
  static constexpr int rank = sizeof...(I), at[] = {I...};
};
template <class>
using Offset = int;

// f(offset of each of the strides) for all places
template <int Axis, class Size, class... Strides, class F>
PYSEQ_INLINE void loop(F& f, Offset<Strides>... offsets) {
  if constexpr (Axis == Size::rank) f(offsets...);
  else
    for (int i = 0; i < Size::at[Axis]; ++i)
      loop<Axis + 1, Size, Strides...>(f, (offsets + i * Strides::at[Axis])...);
}

// y[..] = x[..]
template <class Size, class X, class Y, class T>
void move(const T* x, T* y) {
  const auto f = [&](int from, int to) PYSEQ_LAMBDA { y[to] = x[from]; };
  loop<0, Size, X, Y>(f, 0, 0);
}
template <class T, int N>
void fill(T* y, T value) {
  for (int i = 0; i < N; ++i) y[i] = value;
}
// y[..] = f(a[..], b[..])
template <class Size, class A, class B, class Y, class F>
void combine(const float* a, const float* b, float* y, F f) {
  const auto g = [&](int i, int j, int to) PYSEQ_LAMBDA { y[to] = f(a[i], b[j]); };
  loop<0, Size, A, B, Y>(g, 0, 0, 0);
}
// y[..] = c[..] != 0 ? a[..] : b[..]
template <class Size, class C, class A, class B, class Y>
void choose(const float* c, const float* a, const float* b, float* y) {
  const auto f = [&](int k, int i, int j, int to) PYSEQ_LAMBDA { y[to] = c[k] != 0 ? a[i] : b[j]; };
  loop<0, Size, C, A, B, Y>(f, 0, 0, 0, 0);
}
// y[o, k, i] = x[o, index[k], i]
template <int Outer, int N, int K, int Inner, class T>
void gather(const T* x, const std::int32_t* index, T* y) {
  for (int o = 0; o < Outer; ++o)
    for (int k = 0; k < K; ++k)
      for (int i = 0; i < Inner; ++i) y[(o * K + k) * Inner + i] = x[(o * N + index[k]) * Inner + i];
}
// y[o, k, i] = x[o, index[o, k, i], i]
template <int Outer, int N, int K, int Inner>
void gather_each(const float* x, const float* index, float* y) {
  for (int o = 0; o < Outer; ++o)
    for (int k = 0; k < K; ++k)
      for (int i = 0; i < Inner; ++i) {
        const int to = (o * K + k) * Inner + i;
        int at = static_cast<int>(index[to]);
        at = larger(0, smaller(N - 1, at < 0 ? at + N : at));
        y[to] = x[(o * N + at) * Inner + i];
      }
}

// y = begin, then f(y, x, place) over all reduced places, then end(y)
template <class Kept, class X, class Reduced, class R, class Reducer>
void reduce(const float* x, float* y, Reducer reducer) {
  int to = 0;
  const auto one = [&](int first) PYSEQ_LAMBDA {
    int place = 0;
    auto state = reducer.begin();
    const auto take = [&](int at) PYSEQ_LAMBDA { reducer.take(state, x[first + at], place++); };
    loop<0, Reduced, R>(take, 0);
    y[to++] = reducer.end(state, place);
  };
  loop<0, Kept, X>(one, 0);
}
struct Best {
  float value;
  int place;
};
struct SumOf {
  float begin() const { return 0; }
  void take(float& s, float x, int) const { s += x; }
  float end(float s, int) const { return s; }
};
struct MeanOf : SumOf {
  float end(float s, int count) const { return s / static_cast<float>(count); }
};
struct ProductOf {
  float begin() const { return 1; }
  void take(float& s, float x, int) const { s *= x; }
  float end(float s, int) const { return s; }
};
// NaN counts as the largest, and as the smallest.
struct MaxOf {
  float begin() const { return -kInf; }
  void take(float& s, float x, int) const { s = s > x || s != s ? s : x; }
  float end(float s, int) const { return s; }
};
struct MinOf {
  float begin() const { return kInf; }
  void take(float& s, float x, int) const { s = s < x || s != s ? s : x; }
  float end(float s, int) const { return s; }
};
struct ArgmaxOf {
  Best begin() const { return {0, -1}; }
  void take(Best& s, float x, int place) const {
    if (s.place < 0 || (s.value == s.value && !(x <= s.value))) s = {x, place};
  }
  float end(Best s, int) const { return static_cast<float>(s.place); }
};
struct ArgminOf {
  Best begin() const { return {0, -1}; }
  void take(Best& s, float x, int place) const {
    if (s.place < 0 || (s.value == s.value && !(x >= s.value))) s = {x, place};
  }
  float end(Best s, int) const { return static_cast<float>(s.place); }
};

// y_i = x_0 + ... + x_i or x_0 ... x_i along the middle axis
template <int Outer, int N, int Inner, bool Product, bool Reverse>
void scan(const float* x, float* y) {
  for (int o = 0; o < Outer; ++o)
    for (int i = 0; i < Inner; ++i) {
      float s = Product ? 1.0f : 0.0f;
      for (int k = 0; k < N; ++k) {
        const int at = (o * N + (Reverse ? N - 1 - k : k)) * Inner + i;
        y[at] = s = Product ? s * x[at] : s + x[at];
      }
    }
}
// y (.., M, P) = a (.., M, K) b (.., K, P); strides of the last two axes of a and b as well
template <class Size, class A, class B, class Y, int M, int K, int P, int AM, int AK, int BK, int BP>
void matmul(const float* a, const float* b, float* y) {
  const auto one = [&](int i, int j, int to) PYSEQ_LAMBDA {
    for (int m = 0; m < M; ++m) {
      float sums[P] = {};
      for (int k = 0; k < K; ++k) {
        const float s = a[i + m * AM + k * AK];
        for (int p = 0; p < P; ++p) sums[p] += s * b[j + k * BK + p * BP];
      }
      std::memcpy(y + to + m * P, sums, sizeof sums);
    }
  };
  loop<0, Size, A, B, Y>(one, 0, 0, 0);
}
// y = einsum(x, w): loops over what y has, then over what is summed
template <class Kept, class X, class W, class Summed, class XS, class WS>
void einsum(const float* x, const float* w, float* y) {
  int to = 0;
  const auto one = [&](int i, int j) PYSEQ_LAMBDA {
    float s = 0;
    const auto add = [&](int p, int q) PYSEQ_LAMBDA { s += x[i + p] * w[j + q]; };
    loop<0, Summed, XS, WS>(add, 0, 0);
    y[to++] = s;
  };
  loop<0, Kept, X, W>(one, 0, 0);
}
