#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "pyseq/model.h"

namespace pyseq {

struct TrainingSpec;

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::float32;
  else if constexpr (std::is_same_v<T, double>) return DType::float64;
  else if constexpr (std::is_same_v<T, std::int32_t>) return DType::int32;
  else if constexpr (std::is_same_v<T, std::int64_t>) return DType::int64;
  else if constexpr (std::is_same_v<T, std::uint8_t>) return DType::uint8;
  else if constexpr (std::is_same_v<T, std::int8_t>) return DType::int8;
  else if constexpr (std::is_same_v<T, std::uint16_t>) return DType::uint16;
  else {
    static_assert(std::is_same_v<T, std::int16_t>, "pyseq: expected numbers of a supported type");
    return DType::int16;
  }
}

// Rows of inputs, targets and, if there are any, weights; they stay where they are.
struct TrainingData {
  std::int64_t rows = 0;
  Rows x, y, weights;

  TrainingData() = default;
  template <class X, class Y>
  TrainingData(std::int64_t n, const std::vector<X>& inputs, const std::vector<Y>& targets)
      : rows(n), x(of(n, inputs)), y(of(n, targets)) {}
  template <class X, class Y, class W>
  TrainingData(std::int64_t n, const std::vector<X>& inputs, const std::vector<Y>& targets, const std::vector<W>& w)
      : rows(n), x(of(n, inputs)), y(of(n, targets)), weights(of(n, w)) {}

 private:
  template <class T>
  static Rows of(std::int64_t n, const std::vector<T>& values) {
    const auto size = static_cast<std::int64_t>(values.size());
    return {values.data(), dtype_of<T>(), n > 0 && size % n == 0 ? size / n : -1};
  }
};

// The loss and the metrics over some rows.
struct Scores {
  double loss = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> metrics;
};

struct Epoch {
  std::int64_t epoch = 0;  // the first is 1
  Scores training, validation;  // validation: NaN without any
  double learning_rate = 0;
};

struct FitOptions {
  std::int64_t epochs = 1, batch_size = 32;
  bool shuffle = true;
  std::uint64_t seed = 0;        // of the order of rows
  TrainingData validation = {};
  double validation_split = 0;   // the last rows, this part of them, where there is no validation
  // Called after each epoch; false ends training. It may set the learning rate.
  std::function<bool(const Epoch&)> on_epoch = {};
};

// A model that trains: in C++ alone, or written by Python and read again there.
//
//     pyseq::TrainableModel net = pyseq::TrainableModel::load("model.pyseq");
//     net.fit({rows, x, y}, {.epochs = 5});
//     net.save("model.pyseq");  // in Python: pyseq.load_model("model.pyseq")
//
// One call at a time. Predictions by `model()`, which has the weights of the moment, may run beside each
// other, not beside training.
class TrainableModel {
 public:
  TrainableModel(Model model, TrainingSpec spec);
  TrainableModel(TrainableModel&&) noexcept;
  TrainableModel& operator=(TrainableModel&&) noexcept;
  ~TrainableModel();

  // A file that `save` or Python wrote; see Model::load. From memory: a copy.
  static TrainableModel load(const std::string& path, const LoadLimits& limits = {});
  static TrainableModel from_memory(const void* data, std::size_t bytes, const LoadLimits& limits = {});
  // With the state of the optimizer. C++'s Model and Python's load_model open it too.
  void save(const std::string& path) const;

  // Trains epoch after epoch over all rows, in an order that the seed and the epoch's number decide.
  std::vector<Epoch> fit(const TrainingData& data, const FitOptions& options = {});
  // One step over these rows as one batch.
  Scores train_on_batch(const TrainingData& batch);
  Scores evaluate(const TrainingData& data, std::int64_t batch_size = 32);
  std::vector<float> predict(std::int64_t n, const std::vector<float>& x) const { return model().predict(n, x); }
  // d loss / d x for these rows as one batch, as in inference: rows of the model's dtype, float32 unless the
  // model is float64. Throws Error for ids.
  void input_gradients(const TrainingData& batch, void* dx);

  // Inference with the weights of the moment.
  const Model& model() const;
  const std::vector<std::string>& metric_names() const;
  double learning_rate() const;
  void set_learning_rate(double rate);
  std::int64_t iterations() const;
  // Of one row of targets.
  const Dims& target_shape() const;
  const TrainingSpec& spec() const;  // of the library's own

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pyseq
