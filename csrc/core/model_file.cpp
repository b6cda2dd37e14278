// The `.pyseq` file of a model: reading, checking and writing it.
#include "core/model_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "core/executor.h"
#include "core/memory.h"
#include "core/plan.h"
#include "core/platform.h"
#include "core/program_json.h"
#include "core/text_json.h"
#include "pyseq/error.h"

namespace pyseq {
namespace {

constexpr char kMagic[8] = {'P', 'Y', 'S', 'E', 'Q', 0, 0, 1};
constexpr std::size_t kPrefix = 64;
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

std::size_t row_bytes(const Program& program, int slot) { return slot_row_bytes(program.spec(), slot); }

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

Prefix prefix_of(const char* data, std::size_t bytes, const std::string& where) {
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
  return prefix;
}

}  // namespace

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

FileContents contents_of(char* data, std::size_t bytes, std::shared_ptr<void> owner, const std::string& where) {
  const Prefix prefix = prefix_of(data, bytes, where);
  FileContents contents;
  contents.where = where;
  contents.owner = std::move(owner);
  contents.bytes = bytes;
  contents.header = parse_json(std::string(data + kPrefix, prefix.header_bytes));
  contents.blob = data + kPrefix + prefix.header_bytes;
  contents.blob_bytes = prefix.blob_bytes;
  return contents;
}

// The file is read, not mapped: whoever writes to it later changes nothing here.
FileContents read_contents(const std::string& path) {
  platform::InputFile file(path);
  if (!file.opened()) throw Error(path + ": expected a readable file: " + platform::failure());
  const std::int64_t size = file.bytes();
  if (size <= 0) throw Error(path + ": expected a regular file that is not empty");
  const auto bytes = static_cast<std::size_t>(size);
  std::shared_ptr<void> owner;
  try {
    owner.reset(allocate(bytes), &release);
  } catch (const std::bad_alloc&) {
    throw Error(path + ": expected memory for " + std::to_string(bytes) + " bytes, got none");
  }
  auto* const data = static_cast<char*>(owner.get());
  for (std::size_t at = 0; at < bytes;) {
    const std::int64_t got = file.read(data + at, bytes - at);
    if (got < 0) throw Error(path + ": expected a readable file: " + platform::failure());
    if (got == 0) throw Error(path + ": expected as many bytes as the file says, got another size; it is cut off");
    at += static_cast<std::size_t>(got);
  }
  return contents_of(data, bytes, std::move(owner), path);
}

char* FileContents::piece(std::int64_t offset, std::size_t size) const {
  if (offset < 0 || offset % 64 || static_cast<std::size_t>(offset) > blob_bytes ||
      size > blob_bytes - static_cast<std::size_t>(offset))
    throw Error("model file: expected tensors inside the file, got an offset or size beyond its end");
  return blob + offset;
}

VariablePtr FileContents::variable(const Dims& shape, DType dtype, std::int64_t offset) const {
  check_dims(shape, 0, kMaxRank, where + ": tensor");
  // Only the shape: nothing is allocated before the size is known to fit the file.
  const Variable probe(shape, dtype, nullptr, owner);
  return std::make_shared<Variable>(shape, dtype, piece(offset, probe.bytes()), owner);
}

Model model_of(const FileContents& file, const LoadLimits& limits) {
  const std::string& where = file.where;
  const Json& header = file.header;
  if (const std::size_t ops = header.at("ops").array().size(); ops > static_cast<std::size_t>(limits.ops))
    throw Error(where + ": expected at most " + std::to_string(limits.ops) + " ops, got " + std::to_string(ops) +
                "; if the file is to be trusted, raise LoadLimits::ops");
  ProgramSpec spec = program_spec_of(header);
  const Json::Array& described = header.at("variables").array();
  std::vector<VariablePtr> variables;
  for (std::size_t i = 0; i < spec.variables.size(); ++i)
    variables.push_back(file.variable(spec.variables[i].shape, spec.dtype, described[i].at("offset").integer()));
  const Json& test = header.at("self_test");
  const std::int64_t rows = test.at("rows").integer();
  if (rows < 0 || rows > kMaxTestRows)
    throw Error(where + ": expected a self-test of at most " + std::to_string(kMaxTestRows) + " rows");
  auto program = std::make_shared<const Program>(std::move(spec));
  check_limits(*program, variables, rows, file.bytes, limits, where);
  std::shared_ptr<const TextEncoder> text;
  if (const Json* entry = header.find("text")) text = std::make_shared<const TextEncoder>(text_spec_of(*entry));
  Model model(program, std::move(variables), text);
  const std::size_t in = row_bytes(*program, program->spec().inputs[0]) * static_cast<std::size_t>(rows);
  const std::size_t out = row_bytes(*program, program->spec().outputs[0]) * static_cast<std::size_t>(rows);
  const char* x = file.piece(test.at("input").integer(), in);
  const char* y = file.piece(test.at("output").integer(), out);
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

Model Model::load(const std::string& path, const LoadLimits& limits) {
  return errors_only(path, [&] { return model_of(read_contents(path), limits); });
}

Model Model::from_memory(const void* data, std::size_t bytes, const LoadLimits& limits) {
  const std::string where = "Model::from_memory";
  if (reinterpret_cast<std::uintptr_t>(data) % 64)
    throw Error(where + ": expected data at a multiple of 64 bytes");
  std::shared_ptr<void> nobody(const_cast<void*>(data), [](void*) {});
  return errors_only(where, [&] {
    return model_of(contents_of(static_cast<char*>(const_cast<void*>(data)), bytes, std::move(nobody), where), limits);
  });
}

void Model::save(const std::string& path, std::int64_t rows, const void* input,
                 const std::vector<std::string>& texts) const {
  write_model(*this, path, {rows, input, texts}, {});
}

void write_model(const Model& model, const std::string& path, const SelfTest& test, const FileParts& parts) {
  const Program& program = model.program();
  const ProgramSpec& spec = program.spec();
  if (test.rows < 0 || test.rows > kMaxTestRows)
    throw Error(path + ": expected a self-test of at most " + std::to_string(kMaxTestRows) +
                " rows, which is what is read again, got " + std::to_string(test.rows));
  for (const OpSpec& op : spec.ops)
    if (op.kind == "host")
      throw Error(op.name + ": expected a built-in layer to export, got a Python function; C++ cannot run it");
  std::vector<std::pair<const Variable*, std::size_t>> placed;  // offsets, in order
  std::map<const Variable*, std::size_t> at;
  std::size_t total = 0;
  const auto book = [&](std::size_t bytes) {
    const std::size_t here = total;
    total += round_up(bytes);
    return here;
  };
  const auto place = [&](const VariablePtr& v) {
    const auto [it, fresh] = at.emplace(v.get(), total);
    if (fresh) placed.emplace_back(v.get(), book(v->bytes()));
    return Json{static_cast<std::int64_t>(it->second)};
  };
  Json::Array variables, tensors;
  for (std::size_t i = 0; i < spec.variables.size(); ++i)
    variables.push_back({Json::Object{{"name", {spec.variables[i].name}},
                                      {"shape", json_of(spec.variables[i].shape)},
                                      {"trainable", {spec.variables[i].trainable}},
                                      {"offset", place(model.variables()[i])}}});
  for (const VariablePtr& v : parts.tensors)
    tensors.push_back({Json::Object{
        {"dtype", {std::string(name_of(v->dtype()))}}, {"shape", json_of(v->shape())}, {"offset", place(v)}}});
  const std::size_t in = row_bytes(program, spec.inputs[0]) * static_cast<std::size_t>(test.rows);
  const std::size_t out = row_bytes(program, spec.outputs[0]) * static_cast<std::size_t>(test.rows);
  if (model.text()) check_texts(*model.text(), test.rows, test.texts, slot_dtype(spec, spec.inputs[0]), test.input, in);
  const std::size_t input_at = book(in), output_at = book(out);
  Json::Object self_test{{"rows", {test.rows}},
                         {"input", {static_cast<std::int64_t>(input_at)}},
                         {"output", {static_cast<std::int64_t>(output_at)}}};
  Json::Object object{{"format", {std::string("pyseq")}}};
  append(object, spec);
  object.emplace_back("variables", Json{std::move(variables)});
  if (model.text()) {
    Json::Array texts;
    for (const std::string& t : test.texts) texts.push_back({t});
    self_test.emplace_back("texts", Json{std::move(texts)});
    object.emplace_back("text", json_of(model.text()->spec()));
  }
  object.emplace_back("self_test", Json{std::move(self_test)});
  if (!tensors.empty()) object.emplace_back("tensors", Json{std::move(tensors)});
  for (const auto& entry : parts.entries) object.push_back(entry);
  std::string header = to_json({std::move(object)});
  header.resize(round_up(header.size()), ' ');
  std::vector<char> blob(total);
  for (const auto& [v, offset] : placed)
    if (v->bytes()) std::memcpy(blob.data() + offset, v->data(), v->bytes());
  if (in) std::memcpy(blob.data() + input_at, test.input, in);
  run_apart(model, test.rows, blob.data() + input_at, blob.data() + output_at);

  Prefix prefix{};
  std::memcpy(prefix.magic, kMagic, sizeof kMagic);
  prefix.header_bytes = header.size();
  prefix.blob_bytes = blob.size();
  std::string all = header;
  all.append(blob.data(), blob.size());
  prefix.checksum = fnv1a(all.data(), all.size());

  platform::OutputFile file(path);
  if (!file.opened()) throw Error(path + ": expected a folder that can be written to: " + platform::failure());
  if (!file.write(&prefix, kPrefix) || !file.write(all.data(), all.size()) || !file.finish())
    throw Error(path + ": expected room to write the file: " + platform::failure());
}

}  // namespace pyseq
