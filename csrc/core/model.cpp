#include "pyseq/model.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "core/json.h"
#include "core/memory.h"
#include "core/plan.h"
#include "pyseq/error.h"

namespace pyseq {
namespace {

constexpr char kMagic[8] = {'P', 'Y', 'S', 'E', 'Q', 0, 0, 1};
constexpr std::size_t kPrefix = 64;
constexpr std::int64_t kMaxItems = 1 << 20;  // ops, slots, variables

struct Prefix {
  char magic[8];
  std::uint64_t header_bytes, blob_bytes, checksum;
  char zero[32];
};
static_assert(sizeof(Prefix) == kPrefix);

std::uint64_t fnv1a(const void* data, std::size_t bytes, std::uint64_t h = 0xcbf29ce484222325u) {
  const auto* p = static_cast<const unsigned char*>(data);
  std::size_t i = 0;
  // Eight bytes a step: one multiplication for each would make a large file slow to open.
  for (; i + 8 <= bytes; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, p + i, 8);
    h = (h ^ word) * 0x100000001b3u;
    h ^= h >> 29;
  }
  for (; i < bytes; ++i) h = (h ^ p[i]) * 0x100000001b3u;
  return h;
}

Json json_of(const Dims& dims) {
  Json::Array a;
  for (const std::int64_t d : dims) a.push_back({d});
  return {std::move(a)};
}

Json json_of(const std::vector<int>& v) { return json_of(Dims(v.begin(), v.end())); }

Json json_of(const Attribute& attribute) {
  if (const auto* i = std::get_if<std::int64_t>(&attribute)) return {*i};
  if (const auto* d = std::get_if<double>(&attribute)) return {*d};
  if (const auto* s = std::get_if<std::string>(&attribute)) return {*s};
  if (const auto* v = std::get_if<std::vector<std::int64_t>>(&attribute)) return json_of(*v);
  Json::Array a;
  for (const double d : std::get<std::vector<double>>(attribute)) a.push_back({d});
  return {std::move(a)};
}

const Json::Array& items(const Json& json) {
  const Json::Array& a = json.array();
  if (static_cast<std::int64_t>(a.size()) > kMaxItems) throw Error("model file: expected fewer items");
  return a;
}

Dims dims_of(const Json& json) {
  Dims d;
  for (const Json& j : items(json)) d.push_back(j.integer());
  return d;
}

std::vector<int> ints_of(const Json& json) {
  std::vector<int> v;
  for (const Json& j : items(json)) {
    if (j.integer() < 0 || j.integer() > kMaxItems) throw Error("model file: number out of range");
    v.push_back(static_cast<int>(j.integer()));
  }
  return v;
}

Attribute attribute_of(const Json& json) {
  if (const auto* i = std::get_if<std::int64_t>(&json.value)) return *i;
  if (const auto* d = std::get_if<double>(&json.value)) return *d;
  if (const auto* s = std::get_if<std::string>(&json.value)) return *s;
  const Json::Array& a = items(json);
  bool integers = true;
  for (const Json& j : a) integers = integers && std::get_if<std::int64_t>(&j.value);
  if (integers) return dims_of(json);
  std::vector<double> v;
  for (const Json& j : a) v.push_back(j.number());
  return v;
}

Json header_of(const ProgramSpec& spec, const std::vector<std::size_t>& offsets, std::int64_t rows,
               std::size_t input_at, std::size_t output_at) {
  Json::Array slots, ops, variables;
  for (const Dims& d : spec.slots) slots.push_back(json_of(d));
  Dims whole;
  for (std::size_t s = 0; s < spec.slots.size(); ++s)
    if (slot_dtype(spec, static_cast<int>(s)) == DType::int64) whole.push_back(static_cast<std::int64_t>(s));
  for (const OpSpec& op : spec.ops) {
    Json::Object attributes;
    for (const auto& [k, v] : op.attributes) attributes.emplace_back(k, json_of(v));
    ops.push_back({Json::Object{{"kind", {op.kind}},
                                {"name", {op.name}},
                                {"inputs", json_of(op.inputs)},
                                {"outputs", json_of(op.outputs)},
                                {"params", json_of(op.params)},
                                {"fold", {op.fold}},
                                {"attributes", {std::move(attributes)}}}});
  }
  for (std::size_t i = 0; i < spec.variables.size(); ++i)
    variables.push_back({Json::Object{{"name", {spec.variables[i].name}},
                                      {"shape", json_of(spec.variables[i].shape)},
                                      {"trainable", {spec.variables[i].trainable}},
                                      {"offset", {static_cast<std::int64_t>(offsets[i])}}}});
  Json::Object header{
      {"format", {std::string("pyseq")}},
      {"dtype", {std::string(name_of(spec.dtype))}},
      {"inputs", json_of(spec.inputs)},
      {"outputs", json_of(spec.outputs)},
      {"slots", {std::move(slots)}},
      {"ops", {std::move(ops)}},
      {"variables", {std::move(variables)}},
      {"self_test", {Json::Object{{"rows", {rows}},
                                  {"input", {static_cast<std::int64_t>(input_at)}},
                                  {"output", {static_cast<std::int64_t>(output_at)}}}}}};
  if (!whole.empty()) header.emplace_back("int64", json_of(whole));
  return {std::move(header)};
}

ProgramSpec spec_of(const Json& header) {
  ProgramSpec spec;
  spec.dtype = dtype_from(header.at("dtype").text());
  if (spec.dtype != DType::float32 && spec.dtype != DType::float64)
    throw Error("model file: expected dtype float32 or float64");
  spec.inputs = ints_of(header.at("inputs"));
  spec.outputs = ints_of(header.at("outputs"));
  for (const Json& j : items(header.at("slots"))) spec.slots.push_back(dims_of(j));
  for (const auto& [key, value] : header.object()) {
    if (key != "int64") continue;
    for (const int s : ints_of(value)) {
      if (static_cast<std::size_t>(s) >= spec.slots.size()) throw Error("model file: number out of range");
      spec.dtypes.resize(spec.slots.size(), spec.dtype);
      spec.dtypes[static_cast<std::size_t>(s)] = DType::int64;
    }
  }
  for (const Json& j : items(header.at("ops"))) {
    OpSpec op;
    op.kind = j.at("kind").text();
    op.name = j.at("name").text();
    if (op.kind == "host") throw Error(op.name + ": expected an op of the core, got a host function");
    op.inputs = ints_of(j.at("inputs"));
    op.outputs = ints_of(j.at("outputs"));
    op.params = ints_of(j.at("params"));
    op.fold = j.at("fold").integer();
    for (const auto& [k, v] : j.at("attributes").object()) op.attributes[k] = attribute_of(v);
    spec.ops.push_back(std::move(op));
  }
  for (const Json& j : items(header.at("variables")))
    spec.variables.push_back({j.at("name").text(), dims_of(j.at("shape")), j.at("trainable").flag()});
  return spec;
}

std::size_t row_bytes(const Program& program, int slot) { return slot_row_bytes(program.spec(), slot); }

// A piece of the blob, checked against its size without overflow.
char* piece(char* blob, std::size_t blob_bytes, std::int64_t offset, std::size_t bytes) {
  if (offset < 0 || offset % 64 || static_cast<std::size_t>(offset) > blob_bytes ||
      bytes > blob_bytes - static_cast<std::size_t>(offset))
    throw Error("model file: expected tensors inside the file, got an offset or size beyond its end");
  return blob + offset;
}

template <class T>
bool agree(const T* a, const T* b, std::size_t n) {
  double largest = 1e-3;
  for (std::size_t i = 0; i < n; ++i)
    if (std::isfinite(b[i])) largest = std::max(largest, std::fabs(static_cast<double>(b[i])));
  for (std::size_t i = 0; i < n; ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (a[i] == b[i]) continue;
    if (!(std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])) <= 1e-4 * largest)) return false;
  }
  return true;
}

Model from_bytes(char* data, std::size_t bytes, const std::shared_ptr<void>& owner,
                 const std::string& where) {
  if (bytes < kPrefix) throw Error(where + ": expected a .pyseq file, got one of " + std::to_string(bytes) + " bytes");
  Prefix prefix;
  std::memcpy(&prefix, data, kPrefix);
  if (std::memcmp(prefix.magic, kMagic, sizeof kMagic))
    throw Error(where + ": expected a .pyseq file of version 1, got another magic number");
  const std::size_t rest = bytes - kPrefix;
  if (prefix.header_bytes > rest || prefix.header_bytes % 64 ||
      prefix.blob_bytes != rest - prefix.header_bytes)
    throw Error(where + ": expected as many bytes as the file says, got another size; it is cut off");
  if (fnv1a(data + kPrefix, rest) != prefix.checksum)
    throw Error(where + ": expected the checksum of the file, got another; it is damaged");
  const Json header = parse_json(std::string(data + kPrefix, prefix.header_bytes));
  ProgramSpec spec = spec_of(header);
  char* const blob = data + kPrefix + prefix.header_bytes;
  const Json::Array& described = header.at("variables").array();
  std::vector<VariablePtr> variables;
  for (std::size_t i = 0; i < spec.variables.size(); ++i) {
    // Only the shape: nothing is allocated before the size is known to fit the file.
    const Variable probe(spec.variables[i].shape, spec.dtype, nullptr, std::shared_ptr<void>(data, [](void*) {}));
    char* at = piece(blob, prefix.blob_bytes, described[i].at("offset").integer(), probe.bytes());
    variables.push_back(std::make_shared<Variable>(spec.variables[i].shape, spec.dtype, at, owner));
  }
  auto program = std::make_shared<const Program>(std::move(spec));
  Model model(program, std::move(variables));
  const Json& test = header.at("self_test");
  const std::int64_t rows = test.at("rows").integer();
  if (rows < 0 || rows > 1024) throw Error(where + ": expected a self-test of at most 1024 rows");
  const std::size_t in = row_bytes(*program, program->spec().inputs[0]) * static_cast<std::size_t>(rows);
  const std::size_t out = row_bytes(*program, program->spec().outputs[0]) * static_cast<std::size_t>(rows);
  const char* x = piece(blob, prefix.blob_bytes, test.at("input").integer(), in);
  const char* y = piece(blob, prefix.blob_bytes, test.at("output").integer(), out);
  std::vector<char> got(out);
  const void* xs[] = {x};
  void* ys[] = {got.data()};
  Session session(program, model.variables());
  session.run(rows, xs, ys);
  const DType kind = slot_dtype(program->spec(), program->spec().outputs[0]);
  const bool same = kind == DType::int64 ? !std::memcmp(got.data(), y, out)
                    : kind == DType::float32
                        ? agree(reinterpret_cast<const float*>(got.data()), reinterpret_cast<const float*>(y), out / 4)
                        : agree(reinterpret_cast<const double*>(got.data()), reinterpret_cast<const double*>(y), out / 8);
  if (!same)
    throw Error(where + ": expected the outputs of its self-test, got others; this build or CPU computes "
                "something else than the one that wrote the file");
  return model;
}

struct File {
  int descriptor;
  ~File() {
    if (descriptor >= 0) close(descriptor);
  }
};

std::string reason() { return std::strerror(errno); }

}  // namespace

Model::Model(ProgramPtr program, std::vector<VariablePtr> variables)
    : program_(std::move(program)), variables_(std::move(variables)) {
  if (program_->spec().inputs.size() != 1 || program_->spec().outputs.size() != 1)
    throw Error("Model: expected a program of one input and one output");
  session_ = std::make_shared<Session>(program_, variables_);
}

const Dims& Model::input_shape() const { return program_->spec().slots[program_->spec().inputs[0]]; }
const Dims& Model::output_shape() const { return program_->spec().slots[program_->spec().outputs[0]]; }

void Model::predict(std::int64_t n, const float* x, float* y) const {
  const ProgramSpec& spec = program_->spec();
  if (spec.dtype != DType::float32) throw Error("Model::predict: expected a float32 model");
  const int input = spec.inputs[0], output = spec.outputs[0];
  const auto numbers = [n](const Dims& shape) { return static_cast<std::size_t>(n * elements(shape)); };
  std::vector<std::int64_t> whole_x, whole_y;  // of a model whose ids or results are int64
  const void* in[] = {x};
  void* out[] = {y};
  if (slot_dtype(spec, input) == DType::int64) {
    whole_x.assign(x, x + numbers(spec.slots[input]));
    in[0] = whole_x.data();
  }
  if (slot_dtype(spec, output) == DType::int64) {
    whole_y.resize(numbers(spec.slots[output]));
    out[0] = whole_y.data();
  }
  session_->run(n, in, out);
  std::transform(whole_y.begin(), whole_y.end(), y, [](std::int64_t i) { return static_cast<float>(i); });
}

std::vector<float> Model::predict(std::int64_t n, const std::vector<float>& x) const {
  const auto in = static_cast<std::size_t>(elements(input_shape()));
  const auto out = static_cast<std::size_t>(elements(output_shape()));
  if (n < 0 || x.size() != in * static_cast<std::size_t>(n))
    throw Error("Model::predict: expected " + std::to_string(in) + " numbers for each row, got " +
                std::to_string(x.size()) + " for " + std::to_string(n) + " rows");
  std::vector<float> y(out * static_cast<std::size_t>(n));
  predict(n, x.data(), y.data());
  return y;
}

Model Model::load(const std::string& path) {
  const File file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.descriptor < 0) throw Error(path + ": expected a readable file: " + reason());
  struct stat status;
  if (fstat(file.descriptor, &status) || !S_ISREG(status.st_mode) || status.st_size <= 0)
    throw Error(path + ": expected a regular file that is not empty");
  const auto bytes = static_cast<std::size_t>(status.st_size);
  // Private: a Trainer may write to the variables without touching the file.
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file.descriptor, 0);
  if (data == MAP_FAILED) throw Error(path + ": expected memory to map the file: " + reason());
  const std::shared_ptr<void> owner(data, [bytes](void* p) { munmap(p, bytes); });
  return from_bytes(static_cast<char*>(data), bytes, owner, path);
}

Model Model::from_memory(const void* data, std::size_t bytes) {
  if (reinterpret_cast<std::uintptr_t>(data) % 64)
    throw Error("Model::from_memory: expected data at a multiple of 64 bytes");
  const std::shared_ptr<void> nobody(const_cast<void*>(data), [](void*) {});
  return from_bytes(static_cast<char*>(const_cast<void*>(data)), bytes, nobody, "Model::from_memory");
}

void Model::save(const std::string& path, std::int64_t rows, const void* input) const {
  const ProgramSpec& spec = program_->spec();
  for (const OpSpec& op : spec.ops)
    if (op.kind == "host")
      throw Error(op.name + ": expected a built-in layer to export, got a Python function; C++ cannot run it");
  std::vector<std::size_t> offsets;
  std::size_t total = 0;
  const auto book = [&](std::size_t bytes) {
    const std::size_t at = total;
    total += round_up(bytes);
    return at;
  };
  for (const VariablePtr& v : variables_) offsets.push_back(book(v->bytes()));
  const std::size_t in = row_bytes(*program_, spec.inputs[0]) * static_cast<std::size_t>(rows);
  const std::size_t out = row_bytes(*program_, spec.outputs[0]) * static_cast<std::size_t>(rows);
  const std::size_t input_at = book(in), output_at = book(out);
  std::string header = to_json(header_of(spec, offsets, rows, input_at, output_at));
  header.resize(round_up(header.size()), ' ');
  std::vector<char> blob(total);
  for (std::size_t i = 0; i < variables_.size(); ++i)
    if (variables_[i]->bytes()) std::memcpy(blob.data() + offsets[i], variables_[i]->data(), variables_[i]->bytes());
  std::memcpy(blob.data() + input_at, input, in);
  const void* xs[] = {blob.data() + input_at};
  void* ys[] = {blob.data() + output_at};
  Session(program_, variables_).run(rows, xs, ys);

  Prefix prefix{};
  std::memcpy(prefix.magic, kMagic, sizeof kMagic);
  prefix.header_bytes = header.size();
  prefix.blob_bytes = blob.size();
  std::string all = header;
  all.append(blob.data(), blob.size());
  prefix.checksum = fnv1a(all.data(), all.size());

  const std::string temporary = path + ".tmp" + std::to_string(getpid());
  std::FILE* f = std::fopen(temporary.c_str(), "wbx");
  if (!f) throw Error(path + ": expected a folder that can be written to: " + reason());
  bool good = std::fwrite(&prefix, 1, kPrefix, f) == kPrefix && std::fwrite(all.data(), 1, all.size(), f) == all.size();
  good = std::fflush(f) == 0 && good;
  good = fsync(fileno(f)) == 0 && good;
  good = std::fclose(f) == 0 && good;
  if (!good || std::rename(temporary.c_str(), path.c_str())) {
    const std::string why = reason();
    std::remove(temporary.c_str());
    throw Error(path + ": expected room to write the file: " + why);
  }
}

}  // namespace pyseq
