// The `.pyseq` file of a model: reading, checking and writing it.
#include "pyseq/model.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

#include "core/executor.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/plan.h"
#include "core/text_json.h"
#include "pyseq/error.h"

namespace pyseq {
namespace {

constexpr char kMagic[8] = {'P', 'Y', 'S', 'E', 'Q', 0, 0, 1};
constexpr std::size_t kPrefix = 64;
constexpr std::int64_t kMaxItems = 1 << 20;  // slots, variables, attributes of a list
constexpr std::int64_t kMaxTestRows = 1024;  // of a self-test
constexpr std::int64_t kTestWork = std::int64_t{1} << 24;   // of a self-test's texts: bytes times n-grams

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
               std::size_t input_at, std::size_t output_at, const TextSpec* text,
               const std::vector<std::string>& texts) {
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
  Json::Object test{{"rows", {rows}},
                    {"input", {static_cast<std::int64_t>(input_at)}},
                    {"output", {static_cast<std::int64_t>(output_at)}}};
  if (text) {
    Json::Array a;
    for (const std::string& t : texts) a.push_back({t});
    test.emplace_back("texts", Json{std::move(a)});
  }
  Json::Object header{
      {"format", {std::string("pyseq")}},
      {"dtype", {std::string(name_of(spec.dtype))}},
      {"inputs", json_of(spec.inputs)},
      {"outputs", json_of(spec.outputs)},
      {"slots", {std::move(slots)}},
      {"ops", {std::move(ops)}},
      {"variables", {std::move(variables)}},
      {"self_test", {std::move(test)}}};
  if (!whole.empty()) header.emplace_back("int64", json_of(whole));
  if (text) header.emplace_back("text", json_of(*text));
  return {std::move(header)};
}

ProgramSpec spec_of(const Json& header) {
  ProgramSpec spec;
  spec.dtype = dtype_from(header.at("dtype").text());
  if (spec.dtype != DType::float32 && spec.dtype != DType::float64)
    throw Error("model file: expected dtype float32 or float64");
  spec.inputs = ints_of(header.at("inputs"));
  spec.outputs = ints_of(header.at("outputs"));
  for (const Json& j : items(header.at("slots"))) {
    spec.slots.push_back(dims_of(j));
    check_dims(spec.slots.back(), 1, kMaxRank + 1, "model file: slot " + std::to_string(spec.slots.size() - 1));
  }
  if (const Json* whole = header.find("int64")) {
    for (const int s : ints_of(*whole)) {
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

// Rows through a model, which leaves no states behind.
void run_apart(const Model& model, std::int64_t rows, const void* x, void* y) {
  const ProgramPtr& program = model.session().program_ptr();
  ExecutorOptions options;
  options.plan_only = true;
  const std::vector<int> written = Executor(*program, model.variables(), options).written();
  if (written.empty()) return model.session().run(rows, &x, &y);
  std::vector<VariablePtr> variables = model.variables();
  for (const int v : written) {
    const Variable& own = *variables[static_cast<std::size_t>(v)];
    auto copy = std::make_shared<Variable>(own.shape(), own.dtype());
    std::memcpy(copy->data(), own.data(), own.bytes());
    variables[static_cast<std::size_t>(v)] = std::move(copy);
  }
  Session(program, std::move(variables)).run(rows, &x, &y);
}

// The texts of a self-test encode to its input rows, which are as many bytes as `in`.
void check_texts(const TextEncoder& text, std::int64_t rows, const std::vector<std::string>& texts, DType dtype,
                 const void* input, std::size_t in) {
  const TextSpec& spec = text.spec();
  const auto count = static_cast<std::int64_t>(texts.size());
  std::int64_t bytes = count, sizes = 1;
  for (const std::string& t : texts) bytes += static_cast<std::int64_t>(t.size());
  for (const std::int64_t n : spec.ngrams) sizes += std::min(n, bytes);
  if (count % spec.texts || count / spec.texts != rows || bytes > kTestWork / sizes)
    throw Error(spec.name + ": expected short texts, " + std::to_string(spec.texts) + " for each row of the self-test");
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  std::vector<char> got(in);
  text.encode(rows, views.data(), dtype, got.data());
  if (in && std::memcmp(got.data(), input, in))
    throw Error(spec.name + ": expected texts to give the numbers of the self-test, got others");
}

// Throws unless a program, planned but without memory yet, keeps within the limits for so many rows.
void check_limits(const Program& program, const std::vector<VariablePtr>& variables, std::int64_t rows,
                  std::size_t file_bytes, const LoadLimits& limits, const std::string& where) {
  ExecutorOptions options;
  options.max_rows = std::max<std::int64_t>(rows, 1);
  options.plan_only = true;
  const Executor planned(program, variables, options);
  std::size_t needed = planned.bytes();
  for (const int s : program.spec().inputs)
    needed += slot_row_bytes(program.spec(), s) * static_cast<std::size_t>(options.max_rows);
  const double size = static_cast<double>(file_bytes);
  const double bytes = limits.bytes >= 0 ? static_cast<double>(limits.bytes) : 268435456.0 + 64 * size;
  if (static_cast<double>(needed) > bytes)
    throw Error(where + ": expected a model whose self-test takes at most " + std::to_string(static_cast<std::int64_t>(bytes)) +
                " bytes of memory, got " + std::to_string(needed) +
                "; if the file is to be trusted, raise LoadLimits::bytes");
  const double work = limits.work >= 0 ? limits.work : 2e10 + 1e4 * size;
  if (planned.work(options.max_rows) > work)
    throw Error(where + ": expected a model whose self-test takes at most " + std::to_string(work) +
                " operations, got " + std::to_string(planned.work(options.max_rows)) +
                "; if the file is to be trusted, raise LoadLimits::work");
}

Model checked(char* data, std::size_t bytes, const std::shared_ptr<void>& owner, const LoadLimits& limits,
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
  if (const std::size_t ops = header.at("ops").array().size(); ops > static_cast<std::size_t>(limits.ops))
    throw Error(where + ": expected at most " + std::to_string(limits.ops) + " ops, got " + std::to_string(ops) +
                "; if the file is to be trusted, raise LoadLimits::ops");
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
  const Json& test = header.at("self_test");
  const std::int64_t rows = test.at("rows").integer();
  if (rows < 0 || rows > kMaxTestRows)
    throw Error(where + ": expected a self-test of at most " + std::to_string(kMaxTestRows) + " rows");
  auto program = std::make_shared<const Program>(std::move(spec));
  check_limits(*program, variables, rows, bytes, limits, where);
  std::shared_ptr<const TextEncoder> text;
  if (const Json* entry = header.find("text")) text = std::make_shared<const TextEncoder>(text_spec_of(*entry));
  Model model(program, std::move(variables), text);
  const std::size_t in = row_bytes(*program, program->spec().inputs[0]) * static_cast<std::size_t>(rows);
  const std::size_t out = row_bytes(*program, program->spec().outputs[0]) * static_cast<std::size_t>(rows);
  const char* x = piece(blob, prefix.blob_bytes, test.at("input").integer(), in);
  const char* y = piece(blob, prefix.blob_bytes, test.at("output").integer(), out);
  if (text) {
    std::vector<std::string> texts;
    for (const Json& j : items(test.at("texts"))) texts.push_back(j.text());
    check_texts(*text, rows, texts, slot_dtype(program->spec(), program->spec().inputs[0]), x, in);
  }
  std::vector<char> got(out);
  run_apart(model, rows, x, got.data());
  const DType kind = slot_dtype(program->spec(), program->spec().outputs[0]);
  const bool same = out == 0 ? true
                    : kind == DType::int64 ? !std::memcmp(got.data(), y, out)
                    : kind == DType::float32
                        ? agree(reinterpret_cast<const float*>(got.data()), reinterpret_cast<const float*>(y), out / 4)
                        : agree(reinterpret_cast<const double*>(got.data()), reinterpret_cast<const double*>(y), out / 8);
  if (!same)
    throw Error(where + ": expected the outputs of its self-test, got others; this build or CPU computes "
                "something else than the one that wrote the file");
  return model;
}

// Whatever goes wrong is an Error.
Model from_bytes(char* data, std::size_t bytes, const std::shared_ptr<void>& owner, const LoadLimits& limits,
                 const std::string& where) {
  try {
    return checked(data, bytes, owner, limits, where);
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw Error(where + ": expected as much memory as the model takes, got less");
  } catch (const std::exception& e) {
    throw Error(where + ": expected a model file, got one that is damaged: " + e.what());
  }
}

struct File {
  int descriptor;
  ~File() {
    if (descriptor >= 0) close(descriptor);
  }
};

std::string reason() { return std::strerror(errno); }

}  // namespace

// The file is read, not mapped: whoever writes to it later changes nothing here.
Model Model::load(const std::string& path, const LoadLimits& limits) {
  const File file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.descriptor < 0) throw Error(path + ": expected a readable file: " + reason());
  struct stat status;
  if (fstat(file.descriptor, &status) || !S_ISREG(status.st_mode) || status.st_size <= 0)
    throw Error(path + ": expected a regular file that is not empty");
  const auto bytes = static_cast<std::size_t>(status.st_size);
  std::shared_ptr<void> owner;
  try {
    owner.reset(allocate(bytes), [](void* p) { std::free(p); });
  } catch (const std::bad_alloc&) {
    throw Error(path + ": expected memory for " + std::to_string(bytes) + " bytes, got none");
  }
  auto* const data = static_cast<char*>(owner.get());
  for (std::size_t at = 0; at < bytes;) {
    const ssize_t got = read(file.descriptor, data + at, bytes - at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(path + ": expected a readable file: " + reason());
    if (got == 0) throw Error(path + ": expected as many bytes as the file says, got another size; it is cut off");
    at += static_cast<std::size_t>(got);
  }
  return from_bytes(data, bytes, owner, limits, path);
}

Model Model::from_memory(const void* data, std::size_t bytes, const LoadLimits& limits) {
  if (reinterpret_cast<std::uintptr_t>(data) % 64)
    throw Error("Model::from_memory: expected data at a multiple of 64 bytes");
  const std::shared_ptr<void> nobody(const_cast<void*>(data), [](void*) {});
  return from_bytes(static_cast<char*>(const_cast<void*>(data)), bytes, nobody, limits, "Model::from_memory");
}

void Model::save(const std::string& path, std::int64_t rows, const void* input,
                 const std::vector<std::string>& texts) const {
  const ProgramSpec& spec = program_->spec();
  if (rows < 0 || rows > kMaxTestRows)
    throw Error(path + ": expected a self-test of at most " + std::to_string(kMaxTestRows) +
                " rows, which is what is read again, got " + std::to_string(rows));
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
  if (text_) check_texts(*text_, rows, texts, slot_dtype(spec, spec.inputs[0]), input, in);
  const std::size_t input_at = book(in), output_at = book(out);
  const TextSpec* text = text_ ? &text_->spec() : nullptr;
  std::string header = to_json(header_of(spec, offsets, rows, input_at, output_at, text, texts));
  header.resize(round_up(header.size()), ' ');
  std::vector<char> blob(total);
  for (std::size_t i = 0; i < variables_.size(); ++i)
    if (variables_[i]->bytes()) std::memcpy(blob.data() + offsets[i], variables_[i]->data(), variables_[i]->bytes());
  std::memcpy(blob.data() + input_at, input, in);
  run_apart(*this, rows, blob.data() + input_at, blob.data() + output_at);

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
