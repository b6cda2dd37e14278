// Models built and trained without Python: they learn, the same bits come at any number of threads, files go round.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "check.h"
#include "mlp.h"

namespace {

Sequential classifier() {
  Sequential net({8}, 5);
  net.add("Dense", {{"units", 32}, {"activation", "relu"}});
  net.add("Dropout", {{"rate", 0.1}});
  net.add("BatchNormalization");
  net.add("Dense", {{"units", 3}, {"activation", "softmax"}});
  return net;
}

TrainableModel compiled(const Sequential& net) {
  return net.compile({.optimizer = "adam",
                      .learning_rate = 0.01,
                      .loss = "sparse_categorical_crossentropy",
                      .metrics = {"accuracy"}});
}

std::vector<char> bits(const Model& model, const Data& d) {
  const std::vector<float> y = model.predict(static_cast<std::int64_t>(d.y.size()), d.x);
  std::vector<char> bytes(y.size() * sizeof(float));
  std::memcpy(bytes.data(), y.data(), bytes.size());
  return bytes;
}

void learns() {
  const Data d = make_data(512);
  const TrainingData data(512, d.x, d.y);
  const Sequential net = classifier();
  CHECK(net.output_shape() == Dims{3});
  CHECK(net.parameters() == 8 * 32 + 32 + 4 * 32 + 32 * 3 + 3);
  TrainableModel model = compiled(net);
  const double before = model.evaluate(data).loss;
  std::vector<std::int64_t> seen;
  FitOptions options;
  options.epochs = 40;
  options.validation_split = 0.25;
  options.on_epoch = [&](const Epoch& e) {
    seen.push_back(e.epoch);
    if (e.epoch == 3) model.set_learning_rate(0.005);
    return e.epoch < 20;
  };
  const std::vector<Epoch> history = model.fit(data, options);
  CHECK(history.size() == 20 && seen.size() == 20 && seen.back() == 20);
  CHECK(history[1].learning_rate > 0.009 && std::fabs(history[5].learning_rate - 0.005) < 1e-6);
  CHECK(model.iterations() == 20 * 12);
  CHECK(model.evaluate(data).loss < 0.5 * before);
  CHECK(model.evaluate(data).metrics.at(0) > 0.85);
  CHECK(std::isfinite(history.back().validation.loss));
  CHECK(model.metric_names() == std::vector<std::string>{"accuracy"});
}

void same_bits() {
  const Data d = make_data(200);
  const TrainingData data(200, d.x, d.y);
  std::vector<char> first;
  for (const int threads : {1, 2, 4}) {
    set_num_threads(threads);
    TrainableModel model = compiled(classifier());
    model.fit(data, {.epochs = 3});
    if (first.empty()) first = bits(model.model(), d);
    CHECK(bits(model.model(), d) == first);
  }
  set_num_threads(0);
  TrainableModel model = compiled(classifier());
  model.fit(data, {.epochs = 3, .seed = 1});  // another order
  CHECK(bits(model.model(), d) != first);
}

void files(const std::string& path) {
  const Data d = make_data(100);
  const TrainingData data(100, d.x, d.y);
  TrainableModel model = compiled(classifier());
  model.fit(data, {.epochs = 2});
  model.save(path);
  CHECK(bits(Model::load(path), d) == bits(model.model(), d));
  TrainableModel again = TrainableModel::load(path);
  CHECK(again.iterations() == model.iterations() && again.learning_rate() == model.learning_rate());
  // Both go on alike: the states of the optimizer were in the file.
  const FitOptions straight{.epochs = 2, .shuffle = false};
  model.fit(data, straight);
  again.fit(data, straight);
  CHECK(bits(again.model(), d) == bits(model.model(), d));
  std::ifstream in(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(in), {});
  in.close();  // Windows replaces no file that is open
  TrainableModel copy = TrainableModel::from_memory(bytes.data(), bytes.size());
  copy.fit(data, straight);
  CHECK(bits(copy.model(), d) == bits(model.model(), d));
  CHECK_ERROR(TrainableModel::load(path + ".none"), "expected a readable file");
  Sequential plain({8});
  plain.add("Dense", {{"units", 3}});
  const float rows[8] = {};
  plain.build().save(path, 1, rows);
  CHECK_ERROR(TrainableModel::load(path), "expected a model that was written to be trained");
}

void mistakes() {
  Sequential net({8});
  CHECK_ERROR(net.add("Dens"), "expected one of the layers");
  CHECK_ERROR(net.add("Dense"), "expected the argument `units`");
  CHECK_ERROR(net.add("Dense", {{"units", 3}, {"bias", 1}}), "got `bias`");
  CHECK_ERROR(net.add("LSTM", {{"units", 3}}), "expected rows of 2 dimensions, got (8)");
  CHECK_ERROR(net.compile({.loss = "mse"}), "expected a layer or more");
  net.add("Dense", {{"units", 3}});
  CHECK_ERROR(net.compile({}), "expected a loss");
  TrainableModel model = net.compile({.loss = "mse"});
  const std::vector<float> x(16), y(6), wrong(5);
  CHECK_ERROR(model.fit(TrainingData(2, x, wrong)), "expected data with 3 numbers of y");
  CHECK_ERROR(model.fit(TrainingData(0, x, y)), "expected data of 1 row or more");
  CHECK_ERROR(model.set_learning_rate(-1), "expected a finite number of 0 or more");
  CHECK_ERROR(model.fit(TrainingData(2, x, y), {.batch_size = 0}), "a batch size of 1 or more");
}

// Slots that an optimizer does not have, states of another size: refused when the trainer is made.
void forged_states() {
  const auto program = std::make_shared<const Program>(mlp(true));
  const auto trainer = [&](std::vector<VariablePtr> slots) {
    TrainerSpec spec;
    spec.loss.kind = "sparse_categorical_crossentropy";
    spec.loss.attributes = {{"from_logits", std::int64_t{1}}, {"axis", std::int64_t{-1}}};
    spec.loss.slot = 2;
    spec.optimizers = {{"sgd", {{"momentum", 0.9}}}};
    ParameterSpec p;
    p.variable = 0;
    p.slots = std::move(slots);
    spec.parameters = {p};
    return Trainer(program, mlp_variables(), spec);
  };
  CHECK_ERROR(trainer({}), "expected 1 slots of a variable of shape (8, 32)");
  CHECK_ERROR(trainer({variable({8, 31}, 1)}), "expected 1 slots");
  CHECK_ERROR(trainer({std::make_shared<Variable>(Dims{8, 32}, DType::float64)}), "expected 1 slots");
  trainer({variable({8, 32}, 1)});
}

}  // namespace

int main() {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("pyseq_training_" + std::to_string(std::random_device()()) + ".pyseq")).string();
  learns();
  same_bits();
  files(path);
  mistakes();
  forged_states();
  std::filesystem::remove(path);
  return report("training_test");
}
