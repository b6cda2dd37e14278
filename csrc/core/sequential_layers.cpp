// Keras's layers as ops, for models built in C++. pyseq/layers/ does the same for Python; a test compares the
// programs of both.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/plan.h"
#include "core/sequential.h"
#include "pyseq/error.h"

namespace pyseq {
namespace {

using State = Sequential::State;
using When = State::When;

std::int64_t product(const Dims& dims) { return elements(dims); }

void need_rank(const State& s, const Arguments& a, std::size_t least, std::size_t most) {
  if (s.rank() >= least && s.rank() <= most) return;
  std::string text = "expected rows of " + std::to_string(least);
  if (most != least) text += most > 8 ? " dimensions or more" : " to " + std::to_string(most);
  std::string got;
  for (const std::int64_t d : s.shape) got += (got.empty() ? "" : ", ") + std::to_string(d);
  a.fail(text + (most == least ? " dimensions" : "") + ", got (" + got + ")");
}

std::string alias(const std::string& activation) {
  if (activation == "swish") return "silu";
  if (activation == "hard_swish") return "hard_silu";
  return activation;
}

// l1 and l2 of "l1", "l2", "l1_l2" or of two numbers.
PenaltySpec regularizer(Arguments& a, const char* name) {
  PenaltySpec p;
  if (a.holds_numbers(name)) {
    const std::vector<double> v = a.numbers(name);
    if (v.size() != 2) a.fail(std::string("expected `") + name + "` to be \"l1\", \"l2\" or two numbers, l1 and l2");
    p.l1 = v[0];
    p.l2 = v[1];
    a.config.back().second = Json{Json::Object{{"module", {std::string("keras.regularizers")}},
                                               {"class_name", {std::string("L1L2")}},
                                               {"config", {Json::Object{{"l1", {p.l1}}, {"l2", {p.l2}}}}},
                                               {"registered_name", {nullptr}}}};
    return p;
  }
  const std::string kind = a.text(name, "");
  if (kind == "l1" || kind == "l1_l2") p.l1 = 0.01;
  if (kind == "l2" || kind == "l1_l2") p.l2 = 0.01;
  if (!kind.empty() && p.l1 == 0 && p.l2 == 0)
    a.fail(std::string("expected `") + name + "` to be \"l1\", \"l2\", \"l1_l2\" or two numbers, got " + kind);
  return p;
}

struct Layer {
  State& s;
  Arguments& a;

  PenaltySpec penalty(const char* name) const { return regularizer(a, name); }

  // A kernel, and a bias if the layer has one.
  std::vector<int> kernel(const Dims& dims, std::int64_t outputs, bool has_bias, bool trainable) const {
    std::vector<int> params{s.weight(dims, "kernel", trainable, a.text("kernel_initializer", "glorot_uniform"),
                                     penalty("kernel_regularizer"))};
    const std::string initializer = a.text("bias_initializer", "zeros");
    const PenaltySpec of_bias = penalty("bias_regularizer");
    if (has_bias) params.push_back(s.weight({outputs}, "bias", trainable, initializer, of_bias));
    return params;
  }

  // An op that may apply the activation itself.
  void apply(const char* kind, Attributes attributes, const std::vector<int>& params, const std::string& activation) const {
    if (State::fuses(activation)) {
      set_activation(attributes, activation);
      s.op(kind, attributes, params);
      return;
    }
    s.op(kind, attributes, params);
    s.activation(activation);
  }

  std::string activation() const { return alias(a.text("activation", "linear")); }
};

void dense(const Layer& l, int) {
  need_rank(l.s, l.a, 1, kMaxRank);
  const std::int64_t units = l.a.integer("units", 1);
  const bool bias = l.a.flag("use_bias", true), trainable = l.a.flag("trainable", true);
  const std::string activation = l.activation();
  const std::size_t first = l.s.variables.size();
  const auto params = l.kernel({l.s.shape.back(), units}, units, bias, trainable);
  l.apply("dense", {{"units", units}, {"use_bias", std::int64_t{bias}}}, params, activation);
  l.s.store("", first);
}

// --- windows over spatial axes

struct Window {
  Dims size, strides, dilations, begin, end;
};

// How an axis is padded; `causal`: before it alone.
void pad_window(const Layer& l, const std::string& padding, std::size_t axes, Window& w) {
  for (std::size_t i = 0; i < axes; ++i) {
    const std::int64_t reach = (w.size[i] - 1) * w.dilations[i] + 1, n = l.s.shape[i];
    std::int64_t total = 0;
    if (padding == "same") total = std::max<std::int64_t>(((n + w.strides[i] - 1) / w.strides[i] - 1) * w.strides[i] + reach - n, 0);
    else if (padding == "causal" && axes == 1) total = reach - 1;
    else if (padding != "valid") l.a.fail("expected `padding` to be valid, same" + std::string(axes == 1 ? " or causal" : "") + ", got " + padding);
    w.begin.push_back(padding == "causal" ? total : total / 2);
    w.end.push_back(total - w.begin.back());
  }
}

Window window(const Layer& l, const char* size, std::size_t axes, bool dilates) {
  need_rank(l.s, l.a, axes + 1, axes + 1);
  Window w;
  w.size = l.a.sizes(size, axes);
  w.strides = l.a.sizes("strides", axes, 1);
  w.dilations = dilates ? l.a.sizes("dilation_rate", axes, 1) : Dims(axes, 1);
  pad_window(l, l.a.text("padding", "valid"), axes, w);
  return w;
}

Attributes of(const Window& w) {
  return {{"strides", w.strides}, {"dilations", w.dilations}, {"pads_begin", w.begin}, {"pads_end", w.end}};
}

Dims with(Dims dims, std::initializer_list<std::int64_t> more) {
  dims.insert(dims.end(), more);
  return dims;
}

void conv(const Layer& l, int rank) {
  const auto axes = static_cast<std::size_t>(rank);
  const std::int64_t filters = l.a.integer("filters", 1), groups = l.a.integer("groups", 1, 1);
  const Window w = window(l, "kernel_size", axes, true);
  const std::int64_t channels = l.s.shape.back();
  if (channels % groups || filters % groups)
    l.a.fail("expected channels and filters that `groups` divides, got " + std::to_string(channels) + " and " +
             std::to_string(filters));
  const bool bias = l.a.flag("use_bias", true), trainable = l.a.flag("trainable", true);
  const std::string activation = l.activation();
  const std::size_t first = l.s.variables.size();
  const auto params = l.kernel(with(w.size, {channels / groups, filters}), filters, bias, trainable);
  Attributes attributes = of(w);
  attributes["groups"] = groups;
  l.apply("conv", attributes, params, activation);
  l.s.store("", first);
}

void conv_transpose(const Layer& l, int rank) {
  const auto axes = static_cast<std::size_t>(rank);
  need_rank(l.s, l.a, axes + 1, axes + 1);
  const std::int64_t filters = l.a.integer("filters", 1);
  const Dims size = l.a.sizes("kernel_size", axes), strides = l.a.sizes("strides", axes, 1),
             dilations = l.a.sizes("dilation_rate", axes, 1);
  const std::string padding = l.a.text("padding", "valid");
  if (padding != "valid" && padding != "same") l.a.fail("expected `padding` to be valid or same, got " + padding);
  Dims pads, output;
  for (std::size_t i = 0; i < axes; ++i) {
    const std::int64_t reach = (size[i] - 1) * dilations[i] + 1, n = l.s.shape[i];
    output.push_back(padding == "same" ? n * strides[i] : n * strides[i] + std::max<std::int64_t>(reach - strides[i], 0));
    pads.push_back(padding == "same" ? std::max<std::int64_t>(reach - strides[i], 0) / 2 : 0);
  }
  const bool bias = l.a.flag("use_bias", true), trainable = l.a.flag("trainable", true);
  const std::string activation = l.activation();
  const std::size_t first = l.s.variables.size();
  const auto params = l.kernel(with(size, {filters, l.s.shape.back()}), filters, bias, trainable);
  l.apply("conv_transpose", {{"strides", strides}, {"dilations", dilations}, {"pads", pads}, {"output", output}}, params,
          activation);
  l.s.store("", first);
}

void depthwise(const Layer& l, int rank) {
  const Window w = window(l, "kernel_size", static_cast<std::size_t>(rank), true);
  const std::int64_t channels = l.s.shape.back(), multiplier = l.a.integer("depth_multiplier", 1, 1);
  const bool bias = l.a.flag("use_bias", true), trainable = l.a.flag("trainable", true);
  const std::string activation = l.activation();
  const std::size_t first = l.s.variables.size();
  std::vector<int> params{l.s.weight(with(w.size, {channels, multiplier}), "kernel", trainable,
                                     l.a.text("depthwise_initializer", "glorot_uniform"),
                                     l.penalty("depthwise_regularizer"))};
  const std::string initializer = l.a.text("bias_initializer", "zeros");
  if (bias) params.push_back(l.s.weight({channels * multiplier}, "bias", trainable, initializer));
  l.apply("depthwise_conv", of(w), params, activation);
  l.s.store("", first);
}

void separable(const Layer& l, int rank) {
  const auto axes = static_cast<std::size_t>(rank);
  const std::int64_t filters = l.a.integer("filters", 1), multiplier = l.a.integer("depth_multiplier", 1, 1);
  const Window w = window(l, "kernel_size", axes, true);
  const std::int64_t channels = l.s.shape.back();
  const bool bias = l.a.flag("use_bias", true), trainable = l.a.flag("trainable", true);
  const std::string activation = l.activation();
  const std::size_t first = l.s.variables.size();
  const int deep = l.s.weight(with(w.size, {channels, multiplier}), "depthwise_kernel", trainable,
                              l.a.text("depthwise_initializer", "glorot_uniform"), l.penalty("depthwise_regularizer"));
  std::vector<int> params{l.s.weight(with(Dims(axes, 1), {channels * multiplier, filters}), "pointwise_kernel", trainable,
                                     l.a.text("pointwise_initializer", "glorot_uniform"),
                                     l.penalty("pointwise_regularizer"))};
  const std::string initializer = l.a.text("bias_initializer", "zeros");
  if (bias) params.push_back(l.s.weight({filters}, "bias", trainable, initializer));
  l.s.op("depthwise_conv", of(w), {deep});
  const Dims ones(axes, 1), none(axes, 0);
  l.apply("conv", {{"strides", ones}, {"dilations", ones}, {"pads_begin", none}, {"pads_end", none}}, params, activation);
  l.s.store("", first);
}

void pool(const Layer& l, const char* op, std::size_t axes) {
  need_rank(l.s, l.a, axes + 1, axes + 1);
  Window w;
  w.size = l.a.sizes("pool_size", axes, 2);
  w.strides = l.a.has("strides") ? l.a.sizes("strides", axes) : (l.a.sizes("strides", axes, 1), w.size);
  w.dilations = Dims(axes, 1);
  const std::string padding = l.a.text("padding", "valid");
  if (padding == "causal") l.a.fail("expected `padding` to be valid or same, got causal");
  pad_window(l, padding, axes, w);
  l.s.op(op, {{"pool_size", w.size}, {"strides", w.strides}, {"pads_begin", w.begin}, {"pads_end", w.end}});
}

void max_pool(const Layer& l, int rank) { pool(l, "max_pool", static_cast<std::size_t>(rank)); }
void average_pool(const Layer& l, int rank) { pool(l, "average_pool", static_cast<std::size_t>(rank)); }

void global_pool(const Layer& l, const char* mode, int rank) {
  const auto axes = static_cast<std::size_t>(rank);
  need_rank(l.s, l.a, axes + 1, axes + 1);
  l.s.op("global_pool", {{"mode", std::string(mode)}, {"keepdims", std::int64_t{l.a.flag("keepdims", false)}}});
}
void global_max(const Layer& l, int rank) { global_pool(l, "max", rank); }
void global_average(const Layer& l, int rank) { global_pool(l, "average", rank); }

void upsample(const Layer& l, int rank) {
  const auto axes = static_cast<std::size_t>(rank);
  need_rank(l.s, l.a, axes + 1, axes + 1);
  const Dims size = l.a.sizes("size", axes, 2);
  const std::string interpolation = rank == 2 ? l.a.text("interpolation", "nearest") : "nearest";
  if (interpolation == "nearest") return l.s.op("upsample", {{"size", size}});
  l.s.op("resize", {{"height", l.s.shape[0] * size[0]}, {"width", l.s.shape[1] * size[1]},
                    {"interpolation", interpolation}, {"antialias", std::int64_t{0}}});
}

void margin(const Layer& l, const char* op, const char* name, int rank) {
  const auto axes = static_cast<std::size_t>(rank);
  need_rank(l.s, l.a, axes + 1, axes + 1);
  Dims before, after;
  l.a.margins(name, axes, &before, &after);
  before.push_back(0);
  after.push_back(0);
  l.s.op(op, {{"begin", before}, {"end", after}});
}
void zero_padding(const Layer& l, int rank) { margin(l, "pad", "padding", rank); }
void cropping(const Layer& l, int rank) { margin(l, "crop", "cropping", rank); }

// --- activations

void activation(const Layer& l, int) {
  if (!l.a.has("activation")) l.a.fail("expected the argument `activation`, got none");
  l.s.activation(l.activation());
}

void function(const Layer& l, const char* kind, std::vector<double> numbers) {
  l.s.op("activation", {{"activation", std::string(kind)}, {"activation_args", std::move(numbers)}});
}
void relu(const Layer& l, int) {
  const double slope = l.a.number("negative_slope", 0), threshold = l.a.number("threshold", 0);
  const double most = l.a.has("max_value") ? l.a.number("max_value") : l.a.number("max_value", 0);
  function(l, "relu", {slope, l.a.has("max_value") ? most : std::numeric_limits<double>::infinity(), threshold});
}
void leaky_relu(const Layer& l, int) { function(l, "leaky_relu", {l.a.number("negative_slope", 0.3)}); }
void elu(const Layer& l, int) { function(l, "elu", {l.a.number("alpha", 1)}); }
void softmax(const Layer& l, int) { l.s.activation("softmax"); }
void identity(const Layer&, int) {}

// --- shapes

void flatten(const Layer& l, int) { l.s.op("reshape", {{"dims", Dims{product(l.s.shape)}}}); }

void reshape(const Layer& l, int) {
  Dims target = l.a.integers("target_shape");
  const auto open = std::find(target.begin(), target.end(), -1);
  if (open != target.end()) {
    *open = 1;
    const std::int64_t known = product(target);
    *open = known > 0 ? product(l.s.shape) / known : 0;
  }
  check_dims(target, 1, kMaxRank, l.a.where() + ": target_shape");
  if (product(target) != product(l.s.shape))
    l.a.fail("expected a target_shape of " + std::to_string(product(l.s.shape)) + " numbers, got one of " +
             std::to_string(product(target)));
  l.s.op("reshape", {{"dims", target}});
}

void permute(const Layer& l, int) {
  Dims dims = l.a.integers("dims");
  for (std::int64_t& d : dims) --d;
  l.s.op("permute", {{"dims", dims}});
}

void repeat_vector(const Layer& l, int) {
  need_rank(l.s, l.a, 1, 1);
  l.s.op("repeat_vector", {{"n", l.a.integer("n", 1)}});
}

void rescaling(const Layer& l, int) {
  const double scale = l.a.number("scale"), offset = l.a.number("offset", 0);
  const int center = l.s.constant(0, "rescaling/center");
  const int factor = l.s.constant(scale, "rescaling/scale");
  l.s.op("affine", {}, {center, factor, l.s.constant(offset, "rescaling/offset")});
}

// --- regularization

double rate_of(const Layer& l) {
  const double rate = l.a.number("rate");
  if (rate < 0 || rate > 1) l.a.fail("expected a rate from 0 to 1, got " + std::to_string(rate));
  return rate;
}

Attributes seeded(const Layer& l, Attributes attributes) {
  attributes["seed"] = l.a.has("seed") ? l.a.integer("seed", 0) : (l.a.integer("seed", 0, 0), l.s.next_seed());
  return attributes;
}

void drop(const Layer& l, double rate, bool alpha, const Dims& noise) {
  Attributes attributes = seeded(l, {{"rate", rate}, {"alpha", std::int64_t{alpha}}});
  if (!noise.empty()) {
    attributes["noise"] = noise;
    attributes["shared_batch"] = std::int64_t{0};
  }
  if (rate > 0) l.s.op("dropout", attributes, {}, When::training);
}
void dropout(const Layer& l, int) { drop(l, rate_of(l), false, {}); }
void alpha_dropout(const Layer& l, int) { drop(l, rate_of(l), true, {}); }
void spatial_dropout(const Layer& l, int rank) {
  const auto axes = static_cast<std::size_t>(rank);
  need_rank(l.s, l.a, axes + 1, axes + 1);
  drop(l, rate_of(l), false, with(Dims(axes, 1), {l.s.shape.back()}));
}
void noise(const Layer& l, const char* op, double deviation) {
  const Attributes attributes = seeded(l, {{"stddev", deviation}});
  if (deviation > 0) l.s.op(op, attributes, {}, When::training);
}
void gaussian_noise(const Layer& l, int) { noise(l, "gaussian_noise", l.a.number("stddev")); }
void gaussian_dropout(const Layer& l, int) {
  const double rate = rate_of(l);
  if (rate == 1) l.a.fail("expected a rate below 1, got 1");
  noise(l, "gaussian_dropout", std::sqrt(rate / (1 - rate)));
}

// --- normalization

struct Moments {
  bool scale, center;
  std::vector<int> params;
};
Moments scale_and_center(const Layer& l, const Dims& dims, bool trainable) {
  Moments m{l.a.flag("scale", true), l.a.flag("center", true), {}};
  if (m.scale) m.params.push_back(l.s.weight(dims, "gamma", trainable, l.a.text("gamma_initializer", "ones")));
  if (m.center) m.params.push_back(l.s.weight(dims, "beta", trainable, l.a.text("beta_initializer", "zeros")));
  return m;
}

void batch_normalization(const Layer& l, int) {
  need_rank(l.s, l.a, 1, kMaxRank);
  const double epsilon = l.a.number("epsilon", 1e-3), momentum = l.a.number("momentum", 0.99);
  const bool trainable = l.a.flag("trainable", true);
  const std::size_t first = l.s.variables.size();
  const Dims dims{l.s.shape.back()};
  Moments m = scale_and_center(l, dims, trainable);
  m.params.push_back(l.s.weight(dims, "moving_mean", false, "zeros"));
  m.params.push_back(l.s.weight(dims, "moving_variance", false, "ones"));
  l.s.op("batch_norm", {{"scale", std::int64_t{m.scale}}, {"center", std::int64_t{m.center}}, {"epsilon", epsilon},
                        {"momentum", momentum}, {"batch_statistics", std::int64_t{trainable}}},
         m.params, When::always, {{"batch_statistics", std::int64_t{0}}});
  l.s.store("", first);
}

void layer_normalization(const Layer& l, int) {
  need_rank(l.s, l.a, 1, kMaxRank);
  const double epsilon = l.a.number("epsilon", 1e-3);
  const std::size_t first = l.s.variables.size();
  const Moments m = scale_and_center(l, {l.s.shape.back()}, l.a.flag("trainable", true));
  l.s.op("layer_norm", {{"axes", std::int64_t{1}}, {"scale", std::int64_t{m.scale}}, {"center", std::int64_t{m.center}},
                        {"epsilon", epsilon}, {"rms_scaling", std::int64_t{0}}}, m.params);
  l.s.store("", first);
}

void group_normalization(const Layer& l, int) {
  need_rank(l.s, l.a, 1, kMaxRank);
  const double epsilon = l.a.number("epsilon", 1e-3);
  const std::int64_t groups = l.a.integer("groups", 32, 1);
  const std::size_t first = l.s.variables.size();
  const Moments m = scale_and_center(l, {l.s.shape.back()}, l.a.flag("trainable", true));
  l.s.op("group_norm", {{"groups", groups}, {"scale", std::int64_t{m.scale}}, {"center", std::int64_t{m.center}},
                        {"epsilon", epsilon}}, m.params);
  l.s.store("", first);
}

void rms_normalization(const Layer& l, int) {
  need_rank(l.s, l.a, 1, kMaxRank);
  const double epsilon = l.a.number("epsilon", 1e-6);
  const std::size_t first = l.s.variables.size();
  const int scale = l.s.weight({l.s.shape.back()}, "scale", l.a.flag("trainable", true), "ones");
  l.s.op("rms_norm", {{"axes", std::int64_t{1}}, {"epsilon", epsilon}}, {scale});
  l.s.store("", first);
}

void unit_normalization(const Layer& l, int) { l.s.op("unit_norm", {{"axes", std::int64_t{1}}}); }

// --- sequences

void embedding(const Layer& l, int) {
  const std::int64_t ids = l.a.integer("input_dim", 1), size = l.a.integer("output_dim", 1);
  const bool trainable = l.a.flag("trainable", true);
  const std::size_t first = l.s.variables.size();
  const int table = l.s.weight({ids, size}, "embeddings", trainable, l.a.text("embeddings_initializer", "random_uniform"),
                               l.penalty("embeddings_regularizer"));
  if (l.s.training.ops.empty())  // ids keep all their digits
    for (ProgramSpec* program : {&l.s.inference, &l.s.training}) program->dtypes.assign(1, DType::int64);
  l.s.op("embedding", {}, {table});
  l.s.store("", first);
}

struct Recurrent {
  const char* op;
  int gates;
};

Recurrent recurrent_kind(const std::string& kind) {
  if (kind == "LSTM") return {"lstm", 4};
  if (kind == "GRU") return {"gru", 3};
  return {"simple_rnn", 1};
}

void recurrent(const Layer& l, const std::string& kind, const std::string& path, bool reversed, bool zeroes) {
  need_rank(l.s, l.a, 2, 2);
  const Recurrent r = recurrent_kind(kind);
  const std::int64_t units = l.a.integer("units", 1), wide = units * r.gates;
  const bool bias = l.a.flag("use_bias", true), sequences = l.a.flag("return_sequences", false);
  const bool backwards = l.a.flag("go_backwards", false) != reversed, trainable = l.a.flag("trainable", true);
  const std::string activation = alias(l.a.text("activation", "tanh"));
  const bool after = r.gates == 3 ? l.a.flag("reset_after", true) : false;
  const bool forget = r.gates == 4 ? l.a.flag("unit_forget_bias", true) : false;
  const double dropout = l.a.number("dropout", 0), recurrent_dropout = l.a.number("recurrent_dropout", 0);
  const std::size_t first = l.s.variables.size();
  std::vector<int> params{
      l.s.weight({l.s.shape.back(), wide}, "kernel", trainable, l.a.text("kernel_initializer", "glorot_uniform"),
                 l.penalty("kernel_regularizer")),
      l.s.weight({units, wide}, "recurrent_kernel", trainable, l.a.text("recurrent_initializer", "orthogonal"),
                 l.penalty("recurrent_regularizer"))};
  const std::string initializer = l.a.text("bias_initializer", "zeros");
  if (bias) {
    params.push_back(l.s.weight(after ? Dims{2, wide} : Dims{wide}, "bias", trainable, initializer, l.penalty("bias_regularizer")));
    if (forget) std::fill_n(static_cast<float*>(l.s.variables.back()->data()) + units, units, 1.0f);
  }
  Attributes attributes{{"units", units}, {"use_bias", std::int64_t{bias}}, {"return_sequences", std::int64_t{sequences}},
                        {"go_backwards", std::int64_t{backwards}}, {"zero_output_for_mask", std::int64_t{zeroes && sequences}},
                        {"return_state", std::int64_t{0}}, {"stateful", std::int64_t{0}}};
  set_activation(attributes, activation);
  if (r.gates > 1) attributes["recurrent_activation"] = alias(l.a.text("recurrent_activation", "sigmoid"));
  if (r.gates == 3) attributes["reset_after"] = std::int64_t{after};
  Attributes drops;
  if (dropout > 0 || recurrent_dropout > 0)
    drops = seeded(l, {{"dropout", dropout}, {"recurrent_dropout", recurrent_dropout}, {"dropout_per_gate", std::int64_t{r.gates != 3}}});
  else
    l.a.integer("seed", 0, 0);
  l.s.op(r.op, attributes, params, When::always, {}, drops);
  l.s.store(path + "/cell", first);
}

void lstm(const Layer& l, int) { recurrent(l, "LSTM", "", false, false); }
void gru(const Layer& l, int) { recurrent(l, "GRU", "", false, false); }
void simple_rnn(const Layer& l, int) { recurrent(l, "SimpleRNN", "", false, false); }

// `layer` is the class of the one that runs both ways; the other arguments are its own.
void bidirectional(const Layer& l, int) {
  const std::string kind = l.a.text("layer", "");
  if (kind != "LSTM" && kind != "GRU" && kind != "SimpleRNN")
    l.a.fail("expected `layer` to be LSTM, GRU or SimpleRNN, got " + (kind.empty() ? "none" : kind));
  const State::Place input = l.s.here();
  recurrent(l, kind, "/forward_layer", false, true);
  const State::Place forward = l.s.here();
  const Json::Object config = l.a.config;
  l.s.go_to(input);
  recurrent(l, kind, "/backward_layer", true, true);
  if (l.s.rank() == 2) l.s.op("reverse_time", {});
  l.s.concat(forward);
  Json::Object own, inner;
  for (const auto& entry : config) {
    if (entry.first == "name" || entry.first == "trainable") own.push_back(entry);
    else if (entry.first != "layer") inner.push_back(entry);
  }
  own.emplace_back("layer", Json{Json::Object{{"module", {std::string("keras.layers")}},
                                              {"class_name", {kind}},
                                              {"config", {std::move(inner)}},
                                              {"registered_name", {nullptr}}}});
  l.a.config = std::move(own);
}

struct Entry {
  const char* kind;
  void (*lower)(const Layer&, int);
  int rank;
};

constexpr Entry kLayers[] = {
    {"Activation", activation, 0}, {"AlphaDropout", alpha_dropout, 0}, {"AveragePooling1D", average_pool, 1},
    {"AveragePooling2D", average_pool, 2}, {"AveragePooling3D", average_pool, 3},
    {"BatchNormalization", batch_normalization, 0}, {"Bidirectional", bidirectional, 0}, {"Conv1D", conv, 1},
    {"Conv1DTranspose", conv_transpose, 1}, {"Conv2D", conv, 2}, {"Conv2DTranspose", conv_transpose, 2},
    {"Conv3D", conv, 3}, {"Conv3DTranspose", conv_transpose, 3}, {"Cropping1D", cropping, 1}, {"Cropping2D", cropping, 2},
    {"Cropping3D", cropping, 3}, {"Dense", dense, 0}, {"DepthwiseConv1D", depthwise, 1}, {"DepthwiseConv2D", depthwise, 2},
    {"Dropout", dropout, 0}, {"ELU", elu, 0}, {"Embedding", embedding, 0}, {"Flatten", flatten, 0}, {"GRU", gru, 0},
    {"GaussianDropout", gaussian_dropout, 0}, {"GaussianNoise", gaussian_noise, 0},
    {"GlobalAveragePooling1D", global_average, 1}, {"GlobalAveragePooling2D", global_average, 2},
    {"GlobalAveragePooling3D", global_average, 3}, {"GlobalMaxPooling1D", global_max, 1},
    {"GlobalMaxPooling2D", global_max, 2}, {"GlobalMaxPooling3D", global_max, 3},
    {"GroupNormalization", group_normalization, 0}, {"Identity", identity, 0}, {"LSTM", lstm, 0},
    {"LayerNormalization", layer_normalization, 0}, {"LeakyReLU", leaky_relu, 0}, {"MaxPooling1D", max_pool, 1},
    {"MaxPooling2D", max_pool, 2}, {"MaxPooling3D", max_pool, 3}, {"Permute", permute, 0},
    {"RMSNormalization", rms_normalization, 0}, {"ReLU", relu, 0}, {"RepeatVector", repeat_vector, 0},
    {"Rescaling", rescaling, 0}, {"Reshape", reshape, 0}, {"SeparableConv1D", separable, 1},
    {"SeparableConv2D", separable, 2}, {"SimpleRNN", simple_rnn, 0}, {"Softmax", softmax, 0},
    {"SpatialDropout1D", spatial_dropout, 1}, {"SpatialDropout2D", spatial_dropout, 2},
    {"SpatialDropout3D", spatial_dropout, 3}, {"UnitNormalization", unit_normalization, 0}, {"UpSampling1D", upsample, 1},
    {"UpSampling2D", upsample, 2}, {"UpSampling3D", upsample, 3}, {"ZeroPadding1D", zero_padding, 1},
    {"ZeroPadding2D", zero_padding, 2}, {"ZeroPadding3D", zero_padding, 3},
};

}  // namespace

void set_activation(Attributes& attributes, const std::string& name) {
  attributes["activation"] = name;
  const auto numbers = [&](double x) { attributes["activation_args"] = std::vector<double>{x}; };
  if (name == "elu" || name == "celu") numbers(1);
  if (name == "leaky_relu") numbers(0.2);
  if (name == "hard_shrink" || name == "soft_shrink") numbers(0.5);
  if (name == "squareplus") numbers(4);
}

bool State::fuses(const std::string& activation) { return activation != "softmax" && activation != "log_softmax"; }

void State::activation(const std::string& kind) {
  if (kind == "linear") return;
  Attributes attributes;
  if (fuses(kind)) {
    set_activation(attributes, kind);
    op("activation", attributes);
    return;
  }
  attributes["axes"] = Dims{static_cast<std::int64_t>(rank()) - 1};
  if (kind == "log_softmax") attributes["log"] = std::int64_t{1};
  op("softmax", attributes);
}

bool lower_layer(const std::string& kind, State& state, Arguments& arguments) {
  for (const Entry& entry : kLayers)
    if (kind == entry.kind) {
      const Layer layer{state, arguments};
      entry.lower(layer, entry.rank);
      return true;
    }
  return false;
}

std::vector<std::string> sequential_layers() {
  std::vector<std::string> names;
  for (const Entry& entry : kLayers) names.emplace_back(entry.kind);
  return names;
}

}  // namespace pyseq
