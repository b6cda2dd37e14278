// Texts to rows: standardizing, splitting, n-grams, ids and counts, hashes, what is refused; a model
// file that takes texts.
#include <cstdio>

#include "check.h"
#include "core/program.h"
#include "core/text.h"
#include "core/text_hash.h"
#include "pyseq/pyseq.h"

using namespace pyseq;

namespace {

using Texts = std::vector<std::string_view>;

template <class T>
std::vector<T> encode(const TextSpec& spec, const Texts& texts, DType dtype) {
  const TextEncoder encoder(spec);
  const std::int64_t n = static_cast<std::int64_t>(texts.size()) / spec.texts;
  std::vector<T> rows(static_cast<std::size_t>(n * encoder.numbers()), T(7));
  encoder.encode(n, texts.data(), dtype, rows.data());
  return rows;
}

std::vector<std::int64_t> ids(const TextSpec& spec, const Texts& texts) {
  return encode<std::int64_t>(spec, texts, DType::int64);
}

TextSpec vectorization() {
  TextSpec s;
  s.name = "vectorization";
  s.lower = s.strip_punctuation = true;
  s.split = "whitespace";
  s.length = 4;
  s.mask_token = "";
  s.first_unknown = 1;
  s.vocabulary = {"good", "day", "caf\xC3\xA9", "good day"};
  return s;
}

TextSpec lookup() {
  TextSpec s;
  s.name = "lookup";
  s.vocabulary = {"b", "a"};
  return s;
}

void test_ids() {
  using Ids = std::vector<std::int64_t>;
  TextSpec s = vectorization();
  CHECK(ids(s, {"Good day!"}) == (Ids{2, 3, 0, 0}));
  CHECK(ids(s, {"", "off\xE3\x80\x80" "day"}) == (Ids{0, 0, 0, 0, 1, 3, 0, 0}));  // U+3000 between
  CHECK(ids(s, {"CAF\xC3\xA9 caf\xC3\x89"}) == (Ids{4, 1, 0, 0}));             // ASCII alone is lowered
  CHECK(ids(s, {"day day day day day"}) == (Ids{3, 3, 3, 3}));
  s.ngrams = {2, 1};
  CHECK(ids(s, {"good day off"}) == (Ids{5, 1, 2, 3}));
  s = vectorization();
  s.split = "character";
  s.vocabulary = {"\xC3\xA9"};
  CHECK(ids(s, {"e\xC3\xA9!"}) == (Ids{1, 2, 0, 0}));

  s = lookup();
  s.texts = s.length = 2;
  CHECK(ids(s, {"a", "b", "c", "a"}) == (Ids{2, 1, 0, 2}));
  s.unknown = 0;
  CHECK(ids(s, {"a", "b"}) == (Ids{1, 0}));
  CHECK_ERROR(ids(s, {"a", "c"}), "lookup: expected tokens of the vocabulary, got \"c\"");
}

void test_counts() {
  TextSpec s = lookup();
  s.texts = 4;
  s.output = "count";
  s.length = 3;
  s.groups = 2;  // texts 0 and 2, texts 1 and 3
  s.mask_token = "-";
  s.counts_mask = false;
  const Texts texts{"a", "b", "a", "-"};
  CHECK(encode<float>(s, texts, DType::float32) == (std::vector<float>{0, 0, 2, 0, 1, 0}));
  s.output = "multi_hot";
  CHECK(encode<double>(s, texts, DType::float64) == (std::vector<double>{0, 0, 1, 0, 1, 0}));
  s.output = "tf_idf";
  s.idf = {1, 0.5, 0.1f};
  CHECK(encode<float>(s, texts, DType::float32) == (std::vector<float>{0, 0, 2 * 0.1f, 0, 0.5f, 0}));
  CHECK_ERROR(encode<float>(s, texts, DType::int32), "expected rows of float32");
}

void test_hashes() {
  CHECK(fingerprint64("A") % 3 == 1);
  CHECK(fingerprint64("B") % 3 == 0);
  // The vector of the paper.
  std::string bytes;
  for (char c = 0; c < 15; ++c) bytes += c;
  CHECK(siphash64(bytes, {0x0706050403020100u, 0x0F0E0D0C0B0A0908u}) == 0xa129ca6149be45e5u);
}

void test_what_is_refused() {
  const auto refused = [](auto change, const char* part) {
    TextSpec s = vectorization();
    change(s);
    CHECK_ERROR(TextEncoder{s}, part);
  };
  refused([](TextSpec& s) { s.vocabulary = {"a", "a"}; }, "different tokens");
  refused([](TextSpec& s) { s.split = "comma"; }, "`split`");
  refused([](TextSpec& s) { s.texts = 2; }, "one text in a row");
  refused([](TextSpec& s) { s.ngrams = {0}; }, "n-grams");
  refused([](TextSpec& s) { s.output = "count"; }, "room for each token");
  const auto bad = [](std::string_view text) {
    TextSpec s = vectorization();
    s.vocabulary = {std::string(text)};
    CHECK_ERROR(TextEncoder{s}, "tokens in UTF-8");
    CHECK_ERROR(ids(vectorization(), {"good", text}), "others in row 1");
  };
  // A part, an overlong form, a surrogate, beyond the last code point, no first byte.
  for (const char* text : {"\xC3", "a\xE2\x82", "\xC0\x80", "\xE0\x80\x80", "\xF0\x80\x80\x80", "\xED\xA0\x80",
                           "\xF4\x90\x80\x80", "\xFF", "\x80", "\xC3("})
    bad(text);
}

void test_a_file() {
  ProgramSpec spec;
  spec.slots = {{4}, {4, 2}};
  spec.dtypes = {DType::int64, DType::float32};
  OpSpec op;
  op.kind = op.name = "embedding";
  op.inputs = {0};
  op.outputs = {1};
  op.params = {0};
  spec.ops = {op};
  spec.inputs = {0};
  spec.outputs = {1};
  spec.variables = {{"table", {6, 2}, true}};
  const auto table = std::make_shared<Variable>(Dims{6, 2}, DType::float32);
  for (int i = 0; i < 12; ++i) static_cast<float*>(table->data())[i] = static_cast<float>(i);
  const auto program = std::make_shared<const Program>(spec);
  const auto encoder = std::make_shared<const TextEncoder>(vectorization());
  const Model model(program, {table}, encoder);

  const std::string path = "text_test_model.pyseq";
  const std::vector<std::string> texts{"Good day!"};
  const std::vector<std::int64_t> rows{2, 3, 0, 0}, others{2, 3, 0, 1};
  CHECK_ERROR(model.save(path, 1, others.data(), texts), "numbers of the self-test");
  CHECK_ERROR(model.save(path, 1, rows.data()), "short texts");
  model.save(path, 1, rows.data(), texts);
  const Model loaded = Model::load(path);
  std::remove(path.c_str());
  CHECK(loaded.takes_text() && loaded.texts_per_row() == 1);
  CHECK(loaded.predict(1, Texts{"day, good \xE2\x80\xA8 caf\xC3\xA9 x"}) ==
        (std::vector<float>{6, 7, 4, 5, 8, 9, 2, 3}));
  CHECK(loaded.predict(0, Texts{}).empty());
  CHECK_ERROR(loaded.predict(2, Texts{"a"}), "1 texts for each row, got 1 for 2 rows");
  CHECK_ERROR(Model(program, {table}).predict(1, Texts{"a"}), "does not begin with a layer on text");
  TextSpec longer = vectorization();
  longer.length = 5;
  CHECK_ERROR(Model(program, {table}, std::make_shared<const TextEncoder>(longer)), "rows of 4 numbers");
}

}  // namespace

int main() {
  test_ids();
  test_counts();
  test_hashes();
  test_what_is_refused();
  test_a_file();
  return report("text_test");
}
