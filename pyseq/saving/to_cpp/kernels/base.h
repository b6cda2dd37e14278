// Vectors of L floats by the extensions of GCC and Clang. Elsewhere, or with PYSEQ_PLAIN, L is 1 and
// the compiler makes vectors of plain loops.
#if defined(PYSEQ_VECTORS)
#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
template <int L>
struct Lanes {
  typedef float F __attribute__((vector_size(4 * L)));
  typedef std::int32_t I __attribute__((vector_size(4 * L)));
  typedef std::uint32_t U __attribute__((vector_size(4 * L)));
};
#else
constexpr int kLanes = 1;
template <int L>
struct Lanes;
#endif
template <>
struct Lanes<1> {
  using F = float;
  using I = std::int32_t;
  using U = std::uint32_t;
};
template <int L>
using Vec = typename Lanes<L>::F;
template <class V>
constexpr int lanes_of = static_cast<int>(sizeof(V) / sizeof(float));
template <class V>
using IntOf = typename Lanes<lanes_of<V>>::I;
template <class V>
using UnsignedOf = typename Lanes<lanes_of<V>>::U;

constexpr int smaller(int a, int b) { return a < b ? a : b; }
constexpr int larger(int a, int b) { return a > b ? a : b; }
constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }
// Of so many floats.
constexpr std::size_t bytes(int n) { return sizeof(float) * static_cast<std::size_t>(n); }
// The narrowest vector of this CPU that holds n floats, or its widest.
constexpr int fitting(int n) {
  int lanes = smaller(4, kLanes);
  while (lanes < n && lanes < kLanes) lanes *= 2;
  return lanes;
}

// f(0), ..., f(N - 1), with constants.
template <class F, int... I>
PYSEQ_INLINE void each_of([[maybe_unused]] F& f, std::integer_sequence<int, I...>) {
  (f(std::integral_constant<int, I>{}), ...);
}
template <int N, class F>
PYSEQ_INLINE void each(F f) {
  each_of(f, std::make_integer_sequence<int, N>{});
}

template <class To, class From>
PYSEQ_INLINE To bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "as many bits");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}
template <class V>
PYSEQ_INLINE V load(const float* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class V>
PYSEQ_INLINE void store(float* p, V v) {
  std::memcpy(p, &v, sizeof v);
}
// The first N lanes; the others are 0.
template <class V, int N>
PYSEQ_INLINE V load_first(const float* p) {
  if constexpr (N >= lanes_of<V>) return load<V>(p);
#if defined(PYSEQ_VECTORS) && defined(__AVX512F__)
  else if constexpr (lanes_of<V> == 16)
    return __builtin_ia32_loadups512_mask(p, V{}, static_cast<unsigned short>((1u << N) - 1));
#endif
  else {
    V v{};
    std::memcpy(&v, p, bytes(N));
    return v;
  }
}
template <int N, class V>
PYSEQ_INLINE void store_first(float* p, V v) {
  if constexpr (N >= lanes_of<V>) store(p, v);
#if defined(PYSEQ_VECTORS) && defined(__AVX512F__)
  else if constexpr (lanes_of<V> == 16)
    __builtin_ia32_storeups512_mask(p, v, static_cast<unsigned short>((1u << N) - 1));
#endif
  else if constexpr (N > 0) std::memcpy(p, &v, bytes(N));
}
template <class V>
PYSEQ_INLINE V splat(float s) {
  return s - V{};
}
template <class V, class M>
PYSEQ_INLINE V select(M mask, V a, V b) {
  return mask ? a : b;
}
// The second operand is returned when one is NaN.
template <class V>
PYSEQ_INLINE V max_v(V a, V b) {
  return a > b ? a : b;
}
template <class V>
PYSEQ_INLINE V min_v(V a, V b) {
  return a < b ? a : b;
}
template <class V>
PYSEQ_INLINE V clamp_v(V x, float low, float high) {
  return min_v(splat<V>(high), max_v(splat<V>(low), x));
}
template <class V>
PYSEQ_INLINE V abs_v(V x) {
  return bits<V>(bits<UnsignedOf<V>>(x) & 0x7fffffffu);
}
template <class V>
PYSEQ_INLINE V copysign_v(V magnitude, V sign) {
  using U = UnsignedOf<V>;
  return bits<V>((bits<U>(magnitude) & 0x7fffffffu) | (bits<U>(sign) & 0x80000000u));
}
template <class V, class F>
PYSEQ_INLINE V per_lane(V x, F f) {
  float s[lanes_of<V>];
  store(s, x);
  for (float& value : s) value = f(value);
  return load<V>(s);
}
template <class V>
PYSEQ_INLINE V sqrt_v(V x) {
  return per_lane(x, [](float s) { return std::sqrt(s); });
}
template <class V>
PYSEQ_INLINE float sum_v(V v) {
  float s[lanes_of<V>];
  store(s, v);
  for (int half = lanes_of<V> / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) s[i] += s[i + half];
  return s[0];
}
// v, of which -ffast-math knows nothing.
template <class V>
PYSEQ_INLINE V opaque(V v) {
#if defined(__FAST_MATH__) && defined(__AVX512F__)
  __asm__("" : "+v"(v));
#elif defined(__FAST_MATH__) && defined(__x86_64__)
  __asm__("" : "+x"(v));
#elif defined(__FAST_MATH__) && defined(__aarch64__)
  __asm__("" : "+w"(v));
#endif
  return v;
}

template <class V, int N>
PYSEQ_INLINE V polynomial(V x, const float (&c)[N]) {
  V y = splat<V>(c[N - 1]);
  for (int i = N - 2; i >= 0; --i) y = y * x + splat<V>(c[i]);
  return y;
}
constexpr float kLog2E = 1.44269504f;
// ln 2 in two parts; k * kLn2High is exact for |k| < 2^9.
constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// e^r - 1 for |r| <= ln2/2; minimax, relative error 2^-32.
template <class V>
PYSEQ_INLINE V expm1_reduced(V r) {
  constexpr float c[] = {0.5f,           0.1666666567f,  0.0416663624f,
                         0.00833338965f, 0.00139406277f, 0.000198458773f};
  return r * r * polynomial(r, c) + r;
}
template <class V>
PYSEQ_INLINE V power_of_two(IntOf<V> n) {
  return bits<V>((bits<UnsignedOf<V>>(n) + 127u) << 23);
}
// x = n ln 2 + r
template <class V>
PYSEQ_INLINE V reduced(V x, IntOf<V>& n) {
  const V shifted = opaque(x * splat<V>(kLog2E) + splat<V>(kRounder));
  const V k = shifted - splat<V>(kRounder);
  n = bits<IntOf<V>>(bits<UnsignedOf<V>>(shifted) - bits<UnsignedOf<V>>(splat<V>(kRounder)));
  return (x - k * splat<V>(kLn2High)) - k * splat<V>(kLn2Low);
}
template <class V>
PYSEQ_INLINE V exp_v(V x) {
  IntOf<V> n;
  const V p = expm1_reduced(reduced(clamp_v(x, -104, 89), n)) + 1.0f;
  // Two factors reach denormals and infinity.
  const IntOf<V> half = n >> 1;
  return p * power_of_two<V>(half) * power_of_two<V>(n - half);
}
template <class V>
PYSEQ_INLINE V expm1_v(V x) {
  IntOf<V> n;
  const V r = reduced(clamp_v(x, -80, 88), n);
  const V scale = power_of_two<V>(n);
  return scale * expm1_reduced(r) + (scale - 1.0f);
}
// -inf at 0, NaN below.
template <class V>
PYSEQ_INLINE V log_v(V x) {
  using I = IntOf<V>;
  using U = UnsignedOf<V>;
  constexpr float c[] = {0.333333105f,  -0.249999866f, 0.200022265f,  -0.16669251f, 0.142186582f,
                         -0.123843484f, 0.118729763f,  -0.117898077f, 0.0691536814f};
  const auto denormal = x < 1.17549435e-38f;
  const V scaled = select(denormal, x * 8388608.0f, x);
  // Exponent and mantissa with the mantissa in [sqrt 1/2, sqrt 2).
  const U offset = bits<U>(scaled) - 0x3f3504f3u;
  const I e = bits<I>(offset) >> 23;
  const V f = bits<V>((offset & 0x7fffffu) + 0x3f3504f3u) - 1.0f;
#if defined(PYSEQ_VECTORS)
  const V whole = __builtin_convertvector(e, V);
#else
  const V whole = static_cast<float>(e);
#endif
  const V k = whole - select(denormal, splat<V>(23), V{});
  const V f2 = f * f;
  V y = f2 * f * polynomial(f, c) + k * splat<V>(kLn2Low);
  y = y - splat<V>(0.5f) * f2;
  y = (f + y) + k * splat<V>(kLn2High);
  y = select(x < splat<V>(kInf), y, x);
  y = select(x == 0.0f, splat<V>(-kInf), y);
  return select(x < 0.0f, splat<V>(kNaN), y);
}
template <class V>
PYSEQ_INLINE V log1p_v(V x) {
  const V w = opaque(1.0f + x);
  const V y = log_v(w) + (x - (w - 1.0f)) / w;
  return select(x < splat<V>(kInf), y, x);
}
template <class V>
PYSEQ_INLINE V tanh_v(V x) {
  const V e = expm1_v(min_v(splat<V>(40), 2.0f * abs_v(x)));
  return copysign_v(e / (e + 2.0f), x);
}
template <class V>
PYSEQ_INLINE V sigmoid_v(V x) {
  return 1.0f / (1.0f + exp_v(-x));
}
template <class V>
PYSEQ_INLINE V erf_v(V x) {
  // x + x P(x^2) below 0.92; above, 1 - exp(-Q(|x|)). Minimax fits.
  constexpr float p[] = {0.128379166f,   -0.376126349f,    0.112837017f,  -0.0268597007f,
                         0.00520171272f, -0.000814976986f, 8.39764034e-5f};
  constexpr float q[] = {-0.000169205131f, 1.12948835f,   0.633400857f,     0.108220384f,
                         -0.0250806157f,   0.0041562547f, -0.000431394357f, 2.08286183e-5f};
  const V z = x * x, a = abs_v(x);
  const V small = x + x * polynomial(z, p);
  const V t = min_v(splat<V>(4), a);
  const V large = copysign_v(1.0f - exp_v(-polynomial(t, q)), x);
  return select(a < splat<V>(0.92f), small, large);
}

// y[i] = f(x[i]) for i < N; y may be x.
template <int N, class F>
PYSEQ_INLINE void map(const float* x, float* y, F f) {
  constexpr int whole = N / kLanes * kLanes, rest = N - whole;
  for (int i = 0; i < whole; i += kLanes) store(y + i, f(load<Vec<kLanes>>(x + i)));
  if constexpr (rest > 0)
    store_first<rest>(y + whole, f(load_first<Vec<fitting(rest)>, rest>(x + whole)));
}
// y[i] = f(a[i], b[i]) for i < N; y may be a or b.
template <int N, class F>
PYSEQ_INLINE void map2(const float* a, const float* b, float* y, F f) {
  constexpr int whole = N / kLanes * kLanes, rest = N - whole;
  using V = Vec<kLanes>;
  for (int i = 0; i < whole; i += kLanes) store(y + i, f(load<V>(a + i), load<V>(b + i)));
  if constexpr (rest > 0) {
    using R = Vec<fitting(rest)>;
    store_first<rest>(y + whole, f(load_first<R, rest>(a + whole), load_first<R, rest>(b + whole)));
  }
}
// The sum of f(x[i]) for i < N.
template <int N, class F>
PYSEQ_INLINE float sum(const float* x, F f) {
  constexpr int whole = N / kLanes * kLanes;
  Vec<kLanes> s{};
  for (int i = 0; i < whole; i += kLanes) s += f(load<Vec<kLanes>>(x + i));
  float total = sum_v(s);
  for (int i = whole; i < N; ++i) total += f(x[i]);
  return total;
}
// f(c, load, store) for vectors of the channels, the last one perhaps of fewer
template <int C, class F>
PYSEQ_INLINE void each_channel(F f) {
  constexpr int whole = C / kLanes * kLanes, rest = C - whole;
  for (int c = 0; c < whole; c += kLanes)
    f(
        c, [](const float* p) PYSEQ_LAMBDA { return load<Vec<kLanes>>(p); },
        [](float* p, auto v) PYSEQ_LAMBDA { store(p, v); });
  if constexpr (rest > 0)
    f(
        whole, [](const float* p) PYSEQ_LAMBDA { return load_first<Vec<fitting(rest)>, rest>(p); },
        [](float* p, auto v) PYSEQ_LAMBDA { store_first<rest>(p, v); });
}
