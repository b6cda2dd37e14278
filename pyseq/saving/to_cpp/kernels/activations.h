// Activations, with their numbers as members.
#define PYSEQ_ACTIVATION(name, body)                  \
  struct name {                                       \
    template <class V>                                \
    PYSEQ_INLINE V operator()(V x) const { return body; } \
  };
// x * f where f may be 0 and x infinite.
template <class V>
PYSEQ_INLINE V product_or_zero(V x, V f) {
  return select(f == 0.0f, V{}, x * f);
}
template <class V>
PYSEQ_INLINE V softplus_v(V x) {
  return max_v(V{}, x) + log1p_v(exp_v(-abs_v(x)));
}
template <class V>
PYSEQ_INLINE V hard_sigmoid_v(V x) {
  return clamp_v(x * splat<V>(1.0f / 6) + splat<V>(0.5f), 0, 1);
}
template <class V>
PYSEQ_INLINE V mish_v(V x) {
  const V e = exp_v(min_v(splat<V>(40), x)), n = e * (e + 2.0f);
  return product_or_zero(x, n / (n + 2.0f));
}
template <class V>
PYSEQ_INLINE V sparse_plus_v(V x) {
  const V t = x + 1.0f;
  return select(x <= -1.0f, V{}, select(x >= 1.0f, x, 0.25f * t * t));
}
template <class V>
PYSEQ_INLINE V gelu_tanh_v(V x) {
  const V inner = 0.79788456080286536f * (x + 0.044715f * x * x * x);
  return product_or_zero(x, 0.5f * (1.0f + tanh_v(inner)));
}
PYSEQ_ACTIVATION(Linear, x)
PYSEQ_ACTIVATION(Relu, select(x <= 0.0f, V{}, x))
PYSEQ_ACTIVATION(Selu, select(x > 0.0f, 1.0507009873554805f * x,
                              1.7580993408473768f * expm1_v(min_v(V{}, x))))
PYSEQ_ACTIVATION(Exponential, exp_v(x))
PYSEQ_ACTIVATION(Gelu, product_or_zero(x, 0.5f * (1.0f + erf_v(x * 0.70710678118654752f))))
PYSEQ_ACTIVATION(GeluTanh, gelu_tanh_v(x))
PYSEQ_ACTIVATION(Sigmoid, sigmoid_v(x))
PYSEQ_ACTIVATION(HardSigmoid, hard_sigmoid_v(x))
PYSEQ_ACTIVATION(Silu, product_or_zero(x, sigmoid_v(x)))
PYSEQ_ACTIVATION(HardSilu, product_or_zero(x, hard_sigmoid_v(x)))
PYSEQ_ACTIVATION(HardTanh, clamp_v(x, -1, 1))
PYSEQ_ACTIVATION(Tanh, tanh_v(x))
PYSEQ_ACTIVATION(TanhShrink, x - tanh_v(x))
PYSEQ_ACTIVATION(Softplus, softplus_v(x))
PYSEQ_ACTIVATION(Softsign, x / (1.0f + abs_v(x)))
PYSEQ_ACTIVATION(LogSigmoid, -softplus_v(-x))
PYSEQ_ACTIVATION(Mish, mish_v(x))
PYSEQ_ACTIVATION(SparsePlus, sparse_plus_v(x))
PYSEQ_ACTIVATION(SparseSigmoid, clamp_v(0.5f * x + 0.5f, 0, 1))
#undef PYSEQ_ACTIVATION
struct FullRelu {
  float slope, limit, threshold;
  template <class V>
  PYSEQ_INLINE V operator()(V x) const {
    const V below = slope == 0 ? V{} : slope * (x - threshold);
    return select(x <= threshold, below, min_v(splat<V>(limit), x));
  }
};
struct LeakyRelu {
  float slope;
  template <class V>
  PYSEQ_INLINE V operator()(V x) const {
    return select(x > 0.0f, x, slope * x);
  }
};
struct Elu {
  float alpha;
  template <class V>
  PYSEQ_INLINE V operator()(V x) const {
    return select(x > 0.0f, x, alpha * expm1_v(min_v(V{}, x)));
  }
};
struct Celu {
  float alpha;
  template <class V>
  PYSEQ_INLINE V operator()(V x) const {
    return select(x > 0.0f, x, alpha * expm1_v(min_v(V{}, x / alpha)));
  }
};
struct HardShrink {
  float threshold;
  template <class V>
  PYSEQ_INLINE V operator()(V x) const {
    return select(abs_v(x) <= threshold, V{}, x);
  }
};
struct SoftShrink {
  float threshold;
  template <class V>
  PYSEQ_INLINE V operator()(V x) const {
    return select(abs_v(x) <= threshold, V{}, x - copysign_v(splat<V>(threshold), x));
  }
};
struct Squareplus {
  float b;
  template <class V>
  PYSEQ_INLINE V operator()(V x) const {
    // The conjugate form below 0, where x + s cancels.
    const V s = sqrt_v(x * x + b);
    return 0.5f * select(x < 0.0f, b / (s - x), x + s);
  }
};
struct Threshold {
  float threshold, other;
  template <class V>
  PYSEQ_INLINE V operator()(V x) const {
    return select(x > threshold, x, splat<V>(other));
  }
};
