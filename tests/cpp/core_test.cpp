// The core alone: sessions, training, no allocation in a step, the same bits at any thread count,
// model files good and hostile.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <new>
#include <random>
#include <thread>
#include <vector>

#include "check.h"
#include "core/isa.h"
#include "core/memory.h"
#include "mlp.h"
#include "pyseq/pyseq.h"

static std::atomic<long> allocations{0};

// The address sanitizer has its own.
#if !defined(__SANITIZE_ADDRESS__)
void* operator new(std::size_t n) {
  ++allocations;
  if (void* p = std::malloc(n ? n : 1)) return p;
  throw std::bad_alloc();
}
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif

using namespace pyseq;

namespace {

struct Training {
  std::vector<VariablePtr> variables = mlp_variables();
  std::vector<VariablePtr> slots;
  std::unique_ptr<Trainer> trainer;
  Data data = make_data(512);
  std::vector<double> rates = std::vector<double>(64, 0.01);
  std::int64_t iteration = 0;

  Training() {
    TrainerSpec spec;
    spec.target = {};
    spec.loss.kind = "sparse_categorical_crossentropy";
    spec.loss.attributes = {{"from_logits", std::int64_t{1}}};
    spec.loss.slot = 2;
    spec.metrics.push_back({"sparse_categorical_accuracy", {}, 3, -1, false});
    OptimizerSpec adam;
    adam.kind = "adam";
    adam.attributes = {{"beta_1", 0.9}, {"beta_2", 0.999}, {"epsilon", 1e-7}};
    spec.optimizers = {adam};
    for (int i = 0; i < 4; ++i) {
      ParameterSpec p;
      p.variable = i;
      for (int k = 0; k < 2; ++k) {
        slots.push_back(std::make_shared<Variable>(variables[i]->shape(), DType::float32));
        p.slots.push_back(slots.back());
      }
      spec.parameters.push_back(std::move(p));
    }
    trainer = std::make_unique<Trainer>(std::make_shared<Program>(mlp(true)), variables, std::move(spec));
  }

  std::int64_t epoch() {
    BatchRun run;
    run.x = {data.x.data(), DType::float32, 8};
    run.y = {data.y.data(), DType::float32, 1};
    run.end = 512;
    run.batch_size = 32;
    run.learning_rates = rates.data();
    run.iteration = iteration;
    const std::int64_t done = trainer->run(run);
    iteration += done;
    return done;
  }
};

void test_training() {
  Training t;
  CHECK(t.epoch() == 16);
  const double first = t.trainer->totals()[0].total / t.trainer->totals()[0].count;
  for (int i = 0; i < 30; ++i) {
    t.trainer->reset_totals();
    t.epoch();
  }
  const double last = t.trainer->totals()[0].total / t.trainer->totals()[0].count;
  const double accuracy = t.trainer->totals()[1].total / t.trainer->totals()[1].count;
  CHECK(last < 0.5 * first);
  CHECK(accuracy > 0.9);
}

void test_no_allocation() {
#if !defined(__SANITIZE_ADDRESS__)
  Training t;
  t.epoch();
  t.epoch();
  const long before = allocations;
  t.epoch();
  CHECK(allocations == before);

  Session session(std::make_shared<Program>(mlp(false)), mlp_variables());
  float y[3];
  const void* in[] = {t.data.x.data()};
  void* out[] = {y};
  session.run(1, in, out);
  const long start = allocations;
  for (int i = 0; i < 100; ++i) session.run(1, in, out);
  CHECK(allocations == start);
#endif
}

void test_thread_counts() {
  std::vector<std::vector<float>> results;
  for (int threads = 1; threads <= 4; ++threads) {
    set_num_threads(threads);
    Training t;
    for (int i = 0; i < 3; ++i) t.epoch();
    std::vector<float> all;
    for (const VariablePtr& v : t.variables) {
      const float* p = static_cast<const float*>(v->data());
      all.insert(all.end(), p, p + v->size());
    }
    results.push_back(std::move(all));
  }
  set_num_threads(0);
  for (std::size_t i = 1; i < results.size(); ++i)
    CHECK(std::memcmp(results[0].data(), results[i].data(), results[0].size() * sizeof(float)) == 0);
}

// A session's own number of threads, whatever that of the process.
void test_session_threads() {
  const Model model(std::make_shared<Program>(mlp(false)), mlp_variables());
  const Data data = make_data(3000);
  const std::vector<float> want = model.predict(3000, data.x);
  std::vector<std::size_t> bytes;
  for (const int process : {1, 4})
    for (const int threads : {1, 3}) {
      set_num_threads(process);
      SessionOptions options;
      options.rows = 3000;
      options.threads = threads;
      Session session(model, options);
      std::vector<float> y(want.size());
      const void* in[] = {data.x.data()};
      void* out[] = {y.data()};
      session.run(3000, in, out);
      CHECK(y == want);
      bytes.push_back(session.bytes());
    }
  set_num_threads(0);
  CHECK(bytes[0] == bytes[2] && bytes[1] == bytes[3]);
#if defined(_OPENMP)
  CHECK(bytes[0] < bytes[1]);  // each thread has scratch of its own
#endif
  SessionOptions none;
  none.threads = -1;
  CHECK_ERROR(Session(model, none), "threads");
}

void test_concurrent_sessions() {
  Session session(std::make_shared<Program>(mlp(false)), mlp_variables());
  const Data data = make_data(64);
  std::vector<float> want(64 * 3);
  const void* in[] = {data.x.data()};
  void* out[] = {want.data()};
  session.run(64, in, out);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      std::vector<float> y(64 * 3);
      for (int i = 0; i < 50; ++i) {
        const void* x[] = {data.x.data()};
        void* o[] = {y.data()};
        session.run(64, x, o);
        if (std::memcmp(y.data(), want.data(), y.size() * sizeof(float))) ++wrong;
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
}

// Small networks: a thread takes a piece of the batch through all layers. The same bits for any
// number of threads, for callers at the same time, and after weights were written.
void test_pieces_apart() {
  constexpr int kRows = 5000;
  const Data data = make_data(kRows);
  const std::vector<VariablePtr> variables = mlp_variables();
  Session session(std::make_shared<Program>(mlp(false)), variables);
  const void* in[] = {data.x.data()};
  const auto run = [&](int rows) {
    std::vector<float> y(static_cast<std::size_t>(rows) * 3);
    void* out[] = {y.data()};
    session.run(rows, in, out);
    return y;
  };
  for (int version = 0; version < 2; ++version) {
    set_num_threads(1);
    const std::vector<float> want = run(kRows);
    for (int row = 0; row < kRows; row += 501) {
      float few[3];
      const void* x[] = {data.x.data() + row * 8};
      void* y[] = {few};
      session.run(1, x, y);
      for (int j = 0; j < 3; ++j) CHECK(std::fabs(few[j] - want[row * 3 + j]) < 1e-6f);
    }
    for (const int threads : {2, 3, 4}) {
      set_num_threads(threads);
      for (int i = 0; i < 3; ++i) CHECK(run(kRows) == want);
    }
    std::vector<std::thread> callers;
    std::atomic<int> wrong{0};
    for (int t = 0; t < 3; ++t)
      callers.emplace_back([&] {
        for (int i = 0; i < 5; ++i)
          if (run(kRows) != want) ++wrong;
      });
    for (std::thread& t : callers) t.join();
    CHECK(wrong == 0);
    float* w = static_cast<float*>(variables[0]->data());
    for (std::int64_t i = 0; i < variables[0]->size(); ++i) w[i] *= -1;
  }
  set_num_threads(0);
}

// Large outputs are written where the caller wants them, also over their own input; large batches
// are cut, so that memory is needed for a part of them alone.
void test_large_outputs(std::int64_t rows, bool cut) {
  ProgramSpec spec;
  spec.slots = {{64}, {64}, {64}};
  for (int i = 0; i < 2; ++i) {
    OpSpec op;
    op.kind = op.name = "activation";
    op.inputs = {i};
    op.outputs = {i + 1};
    op.attributes = {{"activation", std::string(i ? "relu" : "softsign")}};
    spec.ops.push_back(op);
  }
  spec.inputs = {0};
  spec.outputs = {2};
  Session session(std::make_shared<Program>(spec), {});
  std::vector<float> x(rows * 64), y(x.size() + 1, -7), few(64);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 97) - 48;
  const void* in = x.data();
  void* out = y.data();
  session.run(rows, &in, &out);
  for (std::size_t i = 0; i < x.size(); ++i)
    CHECK(std::fabs(y[i] - (x[i] > 0 ? x[i] / (1 + x[i]) : 0)) < 1e-6f);
  CHECK(y.back() == -7);
  CHECK((session.bytes() < x.size() * sizeof(float) / 2) == cut);
  void* one = few.data();
  session.run(1, &in, &one);
  CHECK(std::equal(few.begin(), few.end(), y.begin()));
  out = x.data();
  session.run(rows, &in, &out);
  CHECK(std::equal(x.begin(), x.end(), y.begin()));
}

// Builds for other systems have `base` alone.
void test_level_that_was_not_built() {
  const std::vector<std::string> built = built_isas();
  if (std::count(built.begin(), built.end(), "ref64")) return;
  CHECK_ERROR(kernel_table("ref64"), "float64: expected the kernels of ref64, got a build without");
  CHECK_ERROR(kernel_table("avx1024"), "PYSEQ_ISAS=all");
}

// The environment counts where the program asks for it. Run before anything else asks.
void test_environment() {
#if !defined(_WIN32)
  const std::string best = current_isa();
  const int processors = num_threads();
  set_num_threads(3);
  const int three = num_threads();  // 1 in a build without OpenMP
  set_num_threads(0);
  setenv("PYSEQ_ISA", "base", 1);
  setenv("PYSEQ_DEVICE", "cuda:99", 1);
  setenv("OMP_NUM_THREADS", "3", 1);
  CHECK(current_isa() == best && current_device() == "cpu" && num_threads() == processors);
  use_environment();
  CHECK(current_isa() == "base" && current_device() == "cuda:99");
  CHECK(num_threads() == three);
  unsetenv("PYSEQ_ISA");
  unsetenv("PYSEQ_DEVICE");
  unsetenv("OMP_NUM_THREADS");
  use_environment();
  CHECK(current_isa() == best && current_device() == "cpu" && num_threads() == three);
#endif
}

// A session's precision is that of its products on all of its threads; other sessions keep theirs.
void test_precision_of_sessions() {
  Sequential net({24, 24, 32}, 5);
  for (int i = 0; i < 3; ++i)
    net.add("Conv2D", {{"filters", std::int64_t{32}},
                       {"kernel_size", std::int64_t{3}},
                       {"padding", std::string("same")}})
        .add("BatchNormalization");
  const Model model = net.build();
  constexpr std::int64_t kRows = 40;
  std::vector<float> x(kRows * 24 * 24 * 32);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7919 % 1009) / 1009;
  const auto answer = [&](Session& session, std::int64_t rows) {
    std::vector<float> y(static_cast<std::size_t>(rows) * 24 * 24 * 32);
    const void* in[] = {x.data()};
    void* out[] = {y.data()};
    session.run(rows, in, out);
    return y;
  };
  Session usual(model), exact(model, {Device::cpu(), 1, 0, "highest"}), coarse(model, {Device::cpu(), 1, 0, "medium"});
  const std::vector<float> fine = answer(exact, kRows), rough = answer(coarse, kRows);
  CHECK(fine != rough && answer(usual, kRows) == fine);
  CHECK(model.predict(kRows, x) == fine);  // ops are put together here and there
  for (std::size_t i = 0; i < fine.size(); ++i) CHECK(std::fabs(fine[i] - rough[i]) < 1e-2f * (1 + std::fabs(fine[i])));
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    Session again(model, {Device::cpu(), 1, 0, "medium"});
    CHECK(answer(again, kRows) == rough && answer(exact, kRows) == fine);
  }
  Prepared own = coarse.prepare(1), shared = usual.prepare(1);
  set_matmul_precision("medium");
  Session later(model);
  CHECK(answer(later, kRows) == rough && answer(exact, kRows) == fine);
  std::vector<float> y(24 * 24 * 32);
  CHECK(own.run(1, x.data(), y.data()) == Status::ok && y == answer(coarse, 1) && y != answer(exact, 1));
  CHECK(shared.run(1, x.data(), y.data()) == Status::stale);
  set_matmul_precision("highest");
  CHECK(own.run(1, x.data(), y.data()) == Status::ok && y == answer(coarse, 1));
  set_num_threads(0);
  CHECK_ERROR(Session(model, {Device::cpu(), 1, 0, "exact"}), "Session: precision: expected \"highest\"");
  CHECK_ERROR(Device::named("gpu"), "device: expected \"cpu\"");
}

void test_errors() {
  ProgramSpec spec = mlp(false);
  spec.ops[0].kind = "no_such_op";
  CHECK_ERROR(Program{spec}, "no_such_op");
  spec = mlp(false);
  spec.slots[1] = {31};
  CHECK_ERROR(Program{spec}, "hidden");
  spec = mlp(false);
  spec.ops[1].inputs = {9};
  CHECK_ERROR(Program{spec}, "logits");
  spec = mlp(false);
  spec.ops[0].attributes.erase("units");
  CHECK_ERROR(Program{spec}, "units");
  spec = mlp(false);
  spec.slots[0] = {std::int64_t{1} << 40, std::int64_t{1} << 40};
  CHECK_ERROR(Program{spec}, "slot 0");
  CHECK_ERROR(Program(mlp(false), {}, "no_such_isa"), "no_such_isa");
  CHECK_ERROR(Session(std::make_shared<Program>(mlp(false)), {}), "variables");
}

// Every op over values without dimensions, with kernels of few: some run, none reads beside a shape.
void test_values_without_dimensions() {
  const KernelTable& table = kernel_table("");
  for (int i = 0; i < table.op_count; ++i)
    for (int inputs = 1; inputs <= 3; ++inputs)
      for (std::size_t rank = 0; rank <= 2; ++rank) {
        ProgramSpec spec;
        spec.slots.assign(static_cast<std::size_t>(inputs) + 1, {});
        OpSpec op;
        op.kind = op.name = table.ops[i]->kind;
        for (int k = 0; k < inputs; ++k) op.inputs.push_back(k), spec.inputs.push_back(k);
        op.outputs = {inputs};
        spec.outputs = {inputs};
        if (rank > 0) op.params = {0}, spec.variables = {{"w", Dims(rank, 1), true}};
        for (const char* list : {"strides", "dilations", "pads_begin", "pads_end", "size", "dims", "axes"})
          op.attributes[list] = std::vector<std::int64_t>{};
        op.attributes["epsilon"] = 1e-3;
        op.attributes["units"] = std::int64_t{1};
        for (const bool few : {false, true}) {
          if (few) op.attributes = {{"epsilon", 1e-3}};
          spec.ops = {op};
          try {
            Program{spec};
          } catch (const Error&) {
          }
        }
      }
  ProgramSpec spec;
  spec.slots = {{}, {}};
  spec.inputs = {0};
  spec.outputs = {1};
  OpSpec op;
  op.kind = op.name = "unit_norm";
  op.inputs = {0};
  op.outputs = {1};
  spec.ops = {op};
  CHECK_ERROR(Program{spec}, "unit_norm");
  spec.ops[0].kind = spec.ops[0].name = "depthwise_conv";
  spec.ops[0].params = {0};
  spec.variables = {{"w", {1}, true}};
  CHECK_ERROR(Program{spec}, "depthwise_conv");
}

void test_model_files() {
  const std::string path = "core_test_model.pyseq";
  const Data data = make_data(3);
  const Model model(std::make_shared<Program>(mlp(false)), mlp_variables());
  model.save(path, 3, data.x.data());
  const Model loaded = Model::load(path);
  std::vector<float> a(9), b(9);
  model.predict(3, data.x.data(), a.data());
  loaded.predict(3, data.x.data(), b.data());
  CHECK(a == b);
  CHECK_ERROR(Model::load("no_such_file.pyseq"), "no_such_file");
  CHECK_ERROR(loaded.predict(2, std::vector<float>(3)), "numbers for each row");

  std::ifstream in(path, std::ios::binary);
  const std::string good((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  in.close();
  const auto load_bytes = [](const std::string& bytes) {
    const std::unique_ptr<void, decltype(&release)> memory(allocate(bytes.size()), &release);
    std::memcpy(memory.get(), bytes.data(), bytes.size());
    (void)Model::from_memory(memory.get(), bytes.size());
  };
  load_bytes(good);
  for (const std::size_t n : {std::size_t{0}, std::size_t{10}, std::size_t{64}, good.size() - 1})
    CHECK_ERROR(load_bytes(good.substr(0, n)), "expected");
  // Every single damaged byte is noticed.
  for (std::size_t i = 0; i < good.size(); i += 7) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x55);
    if (i >= 32 && i < 64) continue;  // reserved
    CHECK_ERROR(load_bytes(bad), "expected");
  }
  std::remove(path.c_str());
}

}  // namespace

int main() {
  test_environment();
  test_precision_of_sessions();
  test_values_without_dimensions();
  test_training();
  test_no_allocation();
  test_thread_counts();
  test_session_threads();
  test_concurrent_sessions();
  test_pieces_apart();
  test_large_outputs(256, false);
  test_large_outputs(50001, true);
  test_level_that_was_not_built();
  test_errors();
  test_model_files();
  return report("core_test");
}
