// Programs on devices from C++: sessions side by side, training, a lack of memory. Runs on two
// emulated GPUs where PYSEQ_CUDA=EMULATE built them.
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <thread>

#include "check.h"
#include "mlp.h"

namespace {

constexpr std::int64_t kRows = 64;

std::vector<float> answer(Session& session, const Data& data) {
  std::vector<float> y(kRows * 3);
  const void* in[] = {data.x.data()};
  void* out[] = {y.data()};
  session.run(kRows, in, out);
  return y;
}

bool close(const std::vector<float>& a, const std::vector<float>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(std::fabs(a[i] - b[i]) < 1e-4f)) return false;
  return a.size() == b.size();
}

// Sessions of one model on several devices, each called by several threads.
void test_sessions() {
  const Model model(std::make_shared<Program>(mlp(false)), mlp_variables());
  const Data data = make_data(kRows);
  const std::vector<float> want = model.predict(kRows, data.x);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  Session host(model, {Device::cpu(), kRows});
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Session own(model, {Device::cuda(t % 2), kRows});
      for (int i = 0; i < 5; ++i) {
        if (!close(answer(own, data), want)) ++wrong;
        if (!close(answer(host, data), want)) ++wrong;
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);

  Session shared(model, {Device::cuda(), 1});  // grows to the rows that arrive
  threads.clear();
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i)
        if (!close(answer(shared, data), want)) ++wrong;
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
  CHECK(shared.program().isa() == std::string("cuda:0"));
  CHECK_ERROR(Session(model, SessionOptions{Device::cuda(99)}), "cuda:99");
  CHECK_ERROR(Session(model, SessionOptions{Device::cuda(), 0}), "1 row or more");
}

// One training step after the other, on different devices: each sees what the last one wrote.
void test_training() {
  const Data data = make_data(256);
  const std::vector<double> rates(64, 0.1);
  const auto train = [&](const std::vector<Device>& devices) {
    const std::vector<VariablePtr> variables = mlp_variables();
    for (const Device& device : devices) {
      TrainerSpec spec;
      spec.loss.kind = "sparse_categorical_crossentropy";
      spec.loss.attributes = {{"from_logits", std::int64_t{1}}};
      spec.loss.slot = 2;
      OptimizerSpec sgd;
      sgd.kind = "sgd";
      sgd.attributes = {{"momentum", 0.0}, {"nesterov", std::int64_t{0}}};
      spec.optimizers = {sgd};
      for (int i = 0; i < 4; ++i) {
        ParameterSpec p;
        p.variable = i;
        spec.parameters.push_back(std::move(p));
      }
      Trainer trainer(std::make_shared<Program>(mlp(true), std::vector<HostFunction>(), device),
                      variables, std::move(spec));
      BatchRun run;
      run.x = {data.x.data(), DType::float32, 8};
      run.y = {data.y.data(), DType::float32, 1};
      run.end = 256;
      run.learning_rates = rates.data();
      CHECK(trainer.run(run) == 8);
      trainer.profile(true);
      CHECK(trainer.run(run) == 8);
      const std::string table = trainer.program().dump(32, trainer.profile_microseconds());
      CHECK(table.find("backward us") != std::string::npos);
      CHECK_ERROR(trainer.program().dump(32, {1.0}), "3 ops");
    }
    const Model model(std::make_shared<Program>(mlp(false)), variables);
    return model.predict(kRows, make_data(kRows).x);
  };
  const std::vector<float> want =
      train({Device::cpu(), Device::cpu(), Device::cpu(), Device::cpu()});
  CHECK(close(train({Device::cuda(0), Device::cuda(1), Device::cpu(), Device::cuda(0)}), want));
}

void test_lack_of_memory() {
  const Model model(std::make_shared<Program>(mlp(false)), mlp_variables());
  const Data data = make_data(kRows);
  Session session(model, {Device::cuda(), kRows});
  const std::vector<float> want = answer(session, data);
  setenv("PYSEQ_CUDA_EMULATION_MEMORY", "200", 1);
  bool thrown = false;
  try {
    Session(model, {Device::cuda(), 1 << 20});
  } catch (const OutOfMemory& e) {
    thrown = std::string(e.what()).find("MB of device memory") != std::string::npos;
  }
  CHECK(thrown);
  CHECK(answer(session, data) == want);
  Session small(model, {Device::cuda(), kRows});
  CHECK(answer(small, data) == want);
  unsetenv("PYSEQ_CUDA_EMULATION_MEMORY");
}

}  // namespace

int main() {
  setenv("PYSEQ_CUDA_EMULATION", "2", 1);
  use_environment();
  if (list_devices().size() < 3) {
    std::printf("device_test: skipped, needs a build with PYSEQ_CUDA=EMULATE\n");
    return 0;
  }
  test_sessions();
  test_training();
  test_lack_of_memory();
  return report("device_test");
}
