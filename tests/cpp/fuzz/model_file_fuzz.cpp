// Forged `.pyseq` files with right checksums: whatever a header says, loading gives a model or an Error,
// and a model that loads predicts, and trains or says why not. To be built with sanitizers.
//
//     model_file_fuzz SEEDS SECONDS [RANDOM SEED] [FILE TO KEEP THE LAST INPUT IN]
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>

#include "core/executor.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/plan.h"
#include "core/trainer.h"
#include "core/training.h"
#include "pyseq/pyseq.h"

namespace {

using pyseq::Json;

constexpr std::size_t kPrefix = 64;
constexpr std::size_t kBlob = 65536;      // room for larger tensors than the seed has
constexpr unsigned kSecondsEach = 20;     // of the CPU; more is a hang
const pyseq::LoadLimits kLimits{2000, 64 << 20, 1e8};

struct Seed {
  std::string name;
  Json header;
  std::string blob;
};

std::mt19937_64 engine;
std::uint64_t below(std::uint64_t n) { return n ? engine() % n : 0; }
bool one_in(std::uint64_t n) { return below(n) == 0; }

std::uint64_t checksum(const std::string& data) {
  std::uint64_t h = 0xcbf29ce484222325u;
  std::size_t i = 0;
  for (; i + 8 <= data.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, data.data() + i, 8);
    h = (h ^ word) * 0x100000001b3u;
    h ^= h >> 29;
  }
  for (; i < data.size(); ++i) h = (h ^ static_cast<unsigned char>(data[i])) * 0x100000001b3u;
  return h;
}

std::string file_of(const Json& header, const std::string& blob) {
  std::string text = pyseq::to_json(header);
  text.resize(pyseq::round_up(text.size()), ' ');
  const std::string rest = text + blob;
  const std::uint64_t numbers[] = {text.size(), blob.size(), checksum(rest)};
  std::string file("PYSEQ\0\0\1", 8);
  file.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
  file.append(32, '\0');
  return file + rest;
}

Seed read_seed(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string all((std::istreambuf_iterator<char>(in)), {});
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, all.data() + 8, 8);
  Seed seed{path.filename().string(), pyseq::parse_json(all.substr(kPrefix, header_bytes)),
            all.substr(kPrefix + header_bytes)};
  for (std::size_t i = seed.blob.size(); i < kBlob; i += 4) {
    const float v = static_cast<float>(i % 97) / 50 - 1;
    seed.blob.append(reinterpret_cast<const char*>(&v), 4);
  }
  return seed;
}

// --- what is changed

std::vector<Json*> nodes_of(Json& json) {
  std::vector<Json*> all{&json};
  if (auto* a = std::get_if<Json::Array>(&json.value))
    for (Json& j : *a)
      for (Json* n : nodes_of(j)) all.push_back(n);
  if (auto* o = std::get_if<Json::Object>(&json.value))
    for (auto& [key, j] : *o)
      for (Json* n : nodes_of(j)) all.push_back(n);
  return all;
}

std::int64_t odd_number(std::int64_t was) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t values[] = {0, 1, -1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128,
                                     255, 256, 257, 1000, 4096, 65536, 1 << 20, (std::int64_t{1} << 29),
                                     (std::int64_t{1} << 31) - 1, std::int64_t{1} << 31, (std::int64_t{1} << 31) + 1,
                                     std::int64_t{1} << 32, std::int64_t{1} << 40, std::int64_t{1} << 48,
                                     std::int64_t{1} << 62, kMost, -kMost - 1, -2, -3, -8, -65};
  switch (below(4)) {
    case 0: return static_cast<std::int64_t>(static_cast<std::uint64_t>(was) + below(9) - 4);
    case 1: return static_cast<std::int64_t>(below(12));
    default: return values[below(std::size(values))];
  }
}

double odd_float(double was) {
  constexpr double values[] = {0.0, 1.0, -1.0, 0.5, 2.0, 1e-300, 1e300, -1e300, 1e-7, 1e20};
  if (one_in(8)) return std::numeric_limits<double>::infinity();
  return one_in(3) ? was * 2 : values[below(std::size(values))];
}

// The same number everywhere it stands: shapes that belong together change together.
void replace_everywhere(Json& header) {
  std::vector<Json*> numbers;
  for (Json* n : nodes_of(header))
    if (std::get_if<std::int64_t>(&n->value)) numbers.push_back(n);
  if (numbers.empty()) return;
  const std::int64_t from = std::get<std::int64_t>(numbers[below(numbers.size())]->value);
  const std::int64_t to = odd_number(from);
  for (Json* n : numbers)
    if (std::get<std::int64_t>(n->value) == from && !one_in(8)) n->value = to;
}

void change_list(Json::Array& a) {
  const std::size_t i = below(a.size());
  switch (below(6)) {
    case 0: a.clear(); break;
    case 1: if (!a.empty()) a.erase(a.begin() + static_cast<std::ptrdiff_t>(i)); break;
    case 2: if (!a.empty()) a.push_back(Json(a[i])); break;
    case 3: if (!a.empty()) std::swap(a[i], a[below(a.size())]); break;
    case 4: a.push_back({odd_number(1)}); break;
    default: a.insert(a.begin(), Json{odd_number(2)}); break;
  }
}

void change_object(Json::Object& o, const Json& other) {
  const std::size_t i = below(o.size());
  switch (below(4)) {
    case 0: if (!o.empty()) o.erase(o.begin() + static_cast<std::ptrdiff_t>(i)); break;
    case 1: if (!o.empty()) o.emplace_back("training", Json{std::int64_t{1}}); break;
    case 2: if (!o.empty()) o[i].second = o[below(o.size())].second; break;
    default:  // an attribute that ops of another file have
      if (const Json* ops = other.find("ops"); ops && !ops->array().empty()) {
        const Json::Array& all = ops->array();
        const Json::Object& from = all[below(all.size())].at("attributes").object();
        if (!from.empty()) o.push_back(from[below(from.size())]);
      }
  }
}

void change_node(Json& header, const Json& other) {
  const std::vector<Json*> nodes = nodes_of(header);
  Json& node = *nodes[below(nodes.size())];
  if (auto* i = std::get_if<std::int64_t>(&node.value)) {
    *i = odd_number(*i);
  } else if (auto* d = std::get_if<double>(&node.value)) {
    *d = odd_float(*d);
  } else if (auto* b = std::get_if<bool>(&node.value)) {
    *b = !*b;
  } else if (auto* s = std::get_if<std::string>(&node.value)) {
    Json copy = one_in(2) ? header : other;
    std::vector<std::string> texts;
    for (Json* n : nodes_of(copy))
      if (const auto* t = std::get_if<std::string>(&n->value)) texts.push_back(*t);
    *s = texts[below(texts.size())];
  } else if (auto* a = std::get_if<Json::Array>(&node.value)) {
    change_list(*a);
  } else if (auto* o = std::get_if<Json::Object>(&node.value)) {
    change_object(*o, other);
  }
}

Json* member(Json& json, const char* key) { return const_cast<Json*>(json.find(key)); }

Json changed(const Seed& seed, const Seed& other) {
  Json header = seed.header;
  const std::uint64_t count = 1 + below(4);
  for (std::uint64_t k = 0; k < count; ++k) {
    if (one_in(3)) replace_everywhere(header);
    else change_node(header, other.header);
  }
  // Without rows of a self-test nothing has to agree: the model itself is then tried.
  if (!one_in(3) && header.find("self_test"))
    if (Json* test = member(header, "self_test"); std::get_if<Json::Object>(&test->value))
      for (auto& [key, value] : std::get<Json::Object>(test->value))
        if (key == "rows" || key == "input" || key == "output") value = {std::int64_t{0}};
  return header;
}

// --- what is done with a file

void predict(const pyseq::Model& model) {
  const pyseq::ProgramSpec& spec = model.program().spec();
  const std::int64_t rows = 1 + static_cast<std::int64_t>(below(3));
  const std::size_t in = pyseq::slot_row_bytes(spec, spec.inputs[0]) * static_cast<std::size_t>(rows);
  const std::size_t out = pyseq::slot_row_bytes(spec, spec.outputs[0]) * static_cast<std::size_t>(rows);
  std::vector<char> x(in), y(out);
  if (pyseq::slot_dtype(spec, spec.inputs[0]) == pyseq::DType::float32)
    for (std::size_t i = 0; i < in / 4; ++i) {
      const float v = static_cast<float>(below(7)) - 1;
      std::memcpy(x.data() + 4 * i, &v, 4);
    }
  const void* xs[] = {x.data()};
  void* ys[] = {y.data()};
  pyseq::Session session(model.program_ptr(), model.variables());
  session.run(rows, xs, ys);
  // Without states a call in real time gives the same bits.
  std::vector<char> prepared(out);
  ys[0] = prepared.data();
  const pyseq::Status status = session.prepare(rows).run(rows, xs, ys);
  pyseq::ExecutorOptions options;
  options.plan_only = true;
  const bool states = !pyseq::Executor(model.program(), model.variables(), options).written().empty();
  if (status == pyseq::Status::ok && !states && prepared != y) {
    std::fprintf(stderr, "ERROR: the bits of Prepared::run differ from those of Session::run\n");
    std::abort();
  }
}

// Step by step, where the model is one of sequences.
void stream(const pyseq::Model& model) {
  pyseq::Stream s = model.stream(1 + static_cast<std::int64_t>(below(2)), 1 + static_cast<std::int64_t>(below(2)));
  const pyseq::ProgramSpec& spec = model.program().spec();
  const auto bytes = [&](const pyseq::Dims& row, int slot) {
    return static_cast<std::size_t>(pyseq::elements(row) * s.rows()) *
           pyseq::size_of(pyseq::slot_dtype(spec, slot));
  };
  const std::vector<char> x(bytes(s.input_shape(), spec.inputs[0]));
  std::vector<char> y(bytes(s.output_shape(), spec.outputs[0])), state(s.state_bytes());
  for (int i = 0; i < 3; ++i) s.run(x.data(), y.data());
  s.save(state.data());
  s.reset();
  s.restore(state.data());
  s.run(x.data(), y.data());
}

void train(const pyseq::Model& model) {
  pyseq::ProgramSpec spec = model.program().spec();
  spec.training = true;
  std::vector<pyseq::VariablePtr> variables;
  pyseq::TrainerSpec plan;
  plan.loss.kind = "mean_squared_error";
  plan.loss.slot = spec.outputs[0];
  plan.target = spec.slots[static_cast<std::size_t>(spec.outputs[0])];
  plan.optimizers.push_back({"sgd", {}});
  for (std::size_t i = 0; i < spec.variables.size(); ++i) {
    variables.push_back(std::make_shared<pyseq::Variable>(spec.variables[i].shape, spec.dtype));
    pyseq::ParameterSpec parameter;
    parameter.variable = static_cast<int>(i);
    if (!one_in(5)) plan.parameters.push_back(parameter);
  }
  const auto in = static_cast<std::size_t>(pyseq::elements(spec.slots[static_cast<std::size_t>(spec.inputs[0])]));
  const auto out = static_cast<std::size_t>(pyseq::elements(plan.target));
  const std::vector<float> x(2 * in, 0.5f), y(2 * out, 1.0f);
  pyseq::Trainer trainer(std::make_shared<pyseq::Program>(spec), variables, plan);
  pyseq::BatchRun run;
  run.x = {x.data(), pyseq::DType::float32, static_cast<std::int64_t>(in)};
  run.y = {y.data(), pyseq::DType::float32, static_cast<std::int64_t>(out)};
  run.end = 2;
  const double rates[] = {0.01};
  run.learning_rates = rates;
  trainer.run(run);
}

// As the file itself says to.
void go_on_training(const std::string& file) {
  pyseq::TrainableModel model = pyseq::TrainableModel::from_memory(file.data(), file.size(), kLimits);
  const std::int64_t rows = 1 + static_cast<std::int64_t>(below(3));
  const auto in = static_cast<std::size_t>(pyseq::elements(model.model().input_shape()) * rows);
  const auto out = static_cast<std::size_t>(pyseq::elements(model.spec().trainer.target) * rows);
  std::vector<float> x(in), y(out);
  for (float& v : x) v = static_cast<float>(below(3));
  for (float& v : y) v = static_cast<float>(below(3));
  const pyseq::TrainingData data(rows, x, y);
  model.train_on_batch(data);
  model.fit(data, {.epochs = 2, .batch_size = 2});
  model.evaluate(data);
  if (pyseq::slot_dtype(model.spec().program->spec(), 0) == pyseq::DType::int64) return;
  std::vector<double> dx(in);  // room for either dtype
  model.input_gradients(data, dx.data());
}

struct Counts {
  std::int64_t files = 0, loaded = 0, trained = 0;
};

void limit_time(unsigned seconds) {
  const itimerval timer{{0, 0}, {static_cast<time_t>(seconds), 0}};
  setitimer(ITIMER_PROF, &timer, nullptr);
  alarm(30 * seconds);  // and one that waits for ever
}

void try_file(const std::string& file, Counts& counts) {
  ++counts.files;
  const std::unique_ptr<void, decltype(&pyseq::release)> memory(pyseq::allocate(file.size()), &pyseq::release);
  std::memcpy(memory.get(), file.data(), file.size());
  try {
    const pyseq::Model model = pyseq::Model::from_memory(memory.get(), file.size(), kLimits);
    ++counts.loaded;
    predict(model);
    try {
      stream(model);
    } catch (const pyseq::Error&) {
    }
    if (one_in(2)) {
      try {
        if (one_in(2)) train(model);
        else go_on_training(file);
        ++counts.trained;
      } catch (const std::bad_alloc&) {  // limits are for what loading and predicting take
      }
    }
  } catch (const pyseq::Error&) {
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: model_file_fuzz SEEDS SECONDS [RANDOM SEED] [FILE]\n");
    return 2;
  }
  const double seconds = std::atof(argv[2]);
  if (std::filesystem::is_regular_file(argv[1])) {  // one file again
    std::ifstream in(argv[1], std::ios::binary);
    Counts counts;
    for (int i = 0; i < 20; ++i) try_file(std::string(std::istreambuf_iterator<char>(in), {}), counts);
    return 0;
  }
  engine.seed(argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1);
  const char* const keep = argc > 4 ? argv[4] : nullptr;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Seed> seeds;
  for (const auto& path : paths) seeds.push_back(read_seed(path));
  if (seeds.empty()) {
    std::fprintf(stderr, "%s: expected .pyseq files\n", argv[1]);
    return 2;
  }
  Counts counts;
  for (const Seed& seed : seeds) try_file(file_of(seed.header, seed.blob), counts);
  const auto started = std::chrono::steady_clock::now();
  while (std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count() < seconds) {
    const Seed& seed = seeds[below(seeds.size())];
    std::string file;
    try {
      file = file_of(changed(seed, seeds[below(seeds.size())]), seed.blob);
    } catch (const pyseq::Error&) {
      continue;  // NaN has no JSON
    }
    if (keep) std::ofstream(keep, std::ios::binary).write(file.data(), static_cast<std::streamsize>(file.size()));
    limit_time(kSecondsEach);
    try_file(file, counts);
    limit_time(0);
  }
  std::printf("%lld files, %lld loaded, %lld trained, no finding\n", static_cast<long long>(counts.files),
              static_cast<long long>(counts.loaded), static_cast<long long>(counts.trained));
  return counts.loaded > 0 ? 0 : 1;
}
