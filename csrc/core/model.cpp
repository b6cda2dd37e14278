// A program with its variables: how it is asked for predictions. Its file is `model_file.cpp`'s.
#include "pyseq/model.h"

#include <algorithm>

#include "core/plan.h"
#include "core/text.h"
#include "pyseq/error.h"

namespace pyseq {
namespace {

constexpr std::size_t kTextBytes = std::size_t{16} << 20;  // of encoded rows at a time

}  // namespace

Model::Model(ProgramPtr program, std::vector<VariablePtr> variables, std::shared_ptr<const TextEncoder> text)
    : program_(std::move(program)), variables_(std::move(variables)), text_(std::move(text)) {
  if (program_->spec().inputs.size() != 1 || program_->spec().outputs.size() != 1)
    throw Error("Model: expected a program of one input and one output");
  if (text_ && text_->numbers() != elements(input_shape()))
    throw Error(text_->spec().name + ": expected rows of " + std::to_string(elements(input_shape())) +
                " numbers, as the program takes them, got " + std::to_string(text_->numbers()));
  session_ = std::make_shared<Session>(
      program_->table().device ? program_ : inference_program(*program_, program_->isa()), variables_);
}

std::string Model::dump(std::int64_t rows) const { return program_->dump(rows); }

Stream Model::stream(std::int64_t rows, std::int64_t steps) const { return Stream(*this, rows, steps); }

const Dims& Model::input_shape() const { return program_->spec().slots[program_->spec().inputs[0]]; }
const Dims& Model::output_shape() const { return program_->spec().slots[program_->spec().outputs[0]]; }
DType Model::input_dtype() const { return slot_dtype(program_->spec(), program_->spec().inputs[0]); }
DType Model::output_dtype() const { return slot_dtype(program_->spec(), program_->spec().outputs[0]); }

std::int64_t Model::texts_per_row() const { return text_ ? text_->spec().texts : 0; }

// n rows of the input's own dtype in, float32 out.
void Model::run(std::int64_t n, const void* x, float* y) const {
  const auto through = [&](auto number) {  // a model whose results are of another dtype
    std::vector<decltype(number)> rows(static_cast<std::size_t>(n * elements(output_shape())));
    void* out[] = {rows.data()};
    session_->run(n, &x, out);
    std::transform(rows.begin(), rows.end(), y, [](auto v) { return static_cast<float>(v); });
  };
  switch (output_dtype()) {
    case DType::int64: return through(std::int64_t{});
    case DType::float64: return through(double{});
    default: break;
  }
  void* out[] = {y};
  session_->run(n, &x, out);
}

void Model::predict(std::int64_t n, const float* x, float* y) const {
  const std::int64_t numbers = n * elements(input_shape());
  const auto as = [&](auto number) {
    const std::vector<decltype(number)> rows(x, x + numbers);
    run(n, rows.data(), y);
  };
  switch (input_dtype()) {
    case DType::int64: return as(std::int64_t{});
    case DType::float64: return as(double{});
    default: return run(n, x, y);
  }
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

void Model::predict(std::int64_t n, const std::string_view* texts, float* y) const {
  if (!text_)
    throw Error("Model::predict: expected numbers, got texts; the model does not begin with a layer on text");
  const std::int64_t out = elements(output_shape());
  const DType dtype = input_dtype();
  const std::size_t row = slot_row_bytes(program_->spec(), program_->spec().inputs[0]);
  const auto most = static_cast<std::int64_t>(kTextBytes / std::max<std::size_t>(row, 1));
  const std::int64_t step = std::max<std::int64_t>(std::min(most, n), 1);
  std::vector<char> rows(row * static_cast<std::size_t>(step));
  for (std::int64_t begin = 0; begin < n; begin += step) {
    const std::int64_t count = std::min(step, n - begin);
    text_->encode(count, texts + begin * text_->spec().texts, dtype, rows.data());
    run(count, rows.data(), y + begin * out);
  }
}

std::vector<float> Model::predict(std::int64_t n, const std::vector<std::string_view>& texts) const {
  const std::int64_t each = texts_per_row();
  const auto count = static_cast<std::int64_t>(texts.size());
  if (text_ && (count % each || count / each != n))
    throw Error("Model::predict: expected " + std::to_string(each) + " texts for each row, got " +
                std::to_string(count) + " for " + std::to_string(n) + " rows");
  std::vector<float> y(text_ ? static_cast<std::size_t>(n * elements(output_shape())) : 0);
  predict(n, texts.data(), y.data());
  return y;
}

}  // namespace pyseq
