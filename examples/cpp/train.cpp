// Builds a model, trains it and writes it to a file, all in C++: two interleaved spirals.
//   ./train spirals.pyseq            builds it anew
//   ./train spirals.pyseq again      goes on where the file stands
//   ./train spirals.pyseq new cuda   on a GPU, where the library was built for one
// Python opens the file, too: pyseq.load_model("spirals.pyseq").
#include <cmath>
#include <cstdio>
#include <random>
#include <string_view>
#include <vector>

#include "pyseq/pyseq.h"

namespace {

pyseq::TrainableModel new_model() {
  pyseq::Sequential net({2});
  net.add("Dense", {{"units", 32}, {"activation", "relu"}});
  net.add("BatchNormalization");
  net.add("Dense", {{"units", 32}, {"activation", "relu"}});
  net.add("Dropout", {{"rate", 0.1}});
  net.add("Dense", {{"units", 1}, {"activation", "sigmoid"}});
  return net.compile({.optimizer = "adam", .learning_rate = 0.01, .loss = "binary_crossentropy", .metrics = {"accuracy"}});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: train FILE.pyseq [new | again [DEVICE]]\n");
    return 2;
  }
  try {
    constexpr std::int64_t kRows = 2000;
    std::vector<float> x, y;
    std::mt19937 random(1);
    std::normal_distribution<float> noise(0, 0.05f);
    for (std::int64_t i = 0; i < kRows; ++i) {
      const float turn = 8 * std::sqrt(static_cast<float>(i) / kRows), side = i % 2 ? 1.0f : -1.0f;
      x.push_back(side * turn / 8 * std::cos(turn) + noise(random));
      x.push_back(side * turn / 8 * std::sin(turn) + noise(random));
      y.push_back(i % 2 ? 1.0f : 0.0f);
    }
    if (argc > 3) pyseq::set_device(argv[3]);
    const bool again = argc > 2 && std::string_view(argv[2]) == "again";
    pyseq::TrainableModel model = again ? pyseq::TrainableModel::load(argv[1]) : new_model();
    const pyseq::TrainingData data(kRows, x, y);
    pyseq::FitOptions options;
    options.epochs = 30;
    options.on_epoch = [&](const pyseq::Epoch& e) {
      if (e.epoch % 10 == 0)
        std::printf("epoch %lld: loss %.4f, accuracy %.3f\n", static_cast<long long>(e.epoch), e.training.loss,
                    e.training.metrics[0]);
      if (e.epoch == 20) model.set_learning_rate(0.003);
      return true;
    };
    model.fit(data, options);
    std::printf("after %lld steps: accuracy %.3f\n", static_cast<long long>(model.iterations()),
                model.evaluate(data).metrics[0]);
    model.save(argv[1]);
  } catch (const pyseq::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
