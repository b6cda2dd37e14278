#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pyseq/attributes.h"
#include "pyseq/training.h"

namespace pyseq {

// How a model is trained. Names and defaults are Keras's.
struct CompileOptions {
  std::string optimizer = "adam";    // sgd, adam, adamw, rmsprop, adagrad, adadelta, adamax, nadam, lion
  double learning_rate = -1;         // below 0: the optimizer's own
  Attributes optimizer_arguments = {};  // {{"momentum", 0.9}}
  std::string loss = {};             // "sparse_categorical_crossentropy", "mean_squared_error" or "mse", ...
  Attributes loss_arguments = {};    // {{"from_logits", true}}
  std::vector<std::string> metrics = {};  // "accuracy", or a loss
};

// A model built in C++ alone: layers by Keras's names, with shapes inferred.
//
//     pyseq::Sequential net({28, 28, 1});
//     net.add("Conv2D", {{"filters", 32}, {"kernel_size", 3}, {"activation", "relu"}});
//     net.add("MaxPooling2D").add("Flatten").add("Dropout", {{"rate", 0.5}});
//     net.add("Dense", {{"units", 10}, {"activation", "softmax"}});
//     pyseq::TrainableModel model = net.compile({.loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
//     model.fit({rows, x, y}, {.epochs = 5});
//     model.save("model.pyseq");
//
// Layers, with the arguments that Keras gives them: Dense, Activation, ReLU, LeakyReLU, ELU,
// Softmax, Flatten, Reshape, Permute, RepeatVector, Identity, Rescaling, Dropout, SpatialDropout1D to 3D, GaussianNoise,
// GaussianDropout, AlphaDropout, BatchNormalization, LayerNormalization, GroupNormalization, RMSNormalization,
// UnitNormalization, Conv1D to 3D, Conv1DTranspose to 3D, DepthwiseConv1D and 2D, SeparableConv1D and 2D, max and
// average pooling, global ones, UpSampling1D to 3D, ZeroPadding1D to 3D, Cropping1D to 3D, Embedding, LSTM, GRU,
// SimpleRNN and Bidirectional of those. What is not among them is trained from a file that Python wrote.
class Sequential {
 public:
  // `input_shape`: of one row. The seed decides the first weights and dropout.
  explicit Sequential(Dims input_shape, std::uint64_t seed = 0, std::string name = "sequential");
  Sequential(Sequential&&) noexcept;
  Sequential& operator=(Sequential&&) noexcept;
  ~Sequential();

  // Throws Error for an unknown layer or argument, or where the shapes do not fit.
  Sequential& add(const std::string& layer, const Attributes& arguments = {});
  // Of one row of what the last layer gives.
  const Dims& output_shape() const;
  std::int64_t parameters() const;

  // The layers with the weights that they have now; models made from one Sequential share them.
  Model build() const;
  TrainableModel compile(const CompileOptions& options) const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

// Names of layers that `add` knows.
std::vector<std::string> sequential_layers();

}  // namespace pyseq
