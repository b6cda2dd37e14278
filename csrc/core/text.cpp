#include "core/text.h"

#include <algorithm>
#include <cmath>

#include "core/text_hash.h"
#include "pyseq/error.h"

namespace pyseq {
namespace {

constexpr std::int64_t kMaxNumber = std::int64_t{1} << 40;  // of sizes: products stay in 64 bits
constexpr std::size_t kMaxSizes = 1024;                     // of n-grams

// Bytes of the code point that `s` begins with; 0 if that is not UTF-8.
std::size_t read(std::string_view s, char32_t& code) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned first = byte(0);
  const std::size_t n = first < 0x80   ? 1
                        : first < 0xC2 ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                        : first < 0xF5 ? 4
                                       : 0;
  if (n == 0 || n > s.size()) return 0;
  code = n == 1 ? first : first & (0x7Fu >> n);
  for (std::size_t i = 1; i < n; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3F);
  }
  const bool longer = (n == 3 && code < 0x800) || (n == 4 && code < 0x10000);
  return longer || (code >= 0xD800 && code < 0xE000) || code > 0x10FFFF ? 0 : n;
}

bool is_utf8(std::string_view s) {
  char32_t code = 0;
  while (!s.empty()) {
    const std::size_t n = read(s, code);
    if (n == 0) return false;
    s.remove_prefix(n);
  }
  return true;
}

// As Python's str.isspace().
bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

// The layers keep texts in NumPy arrays, where NULs at the end do not count.
std::string_view without_end(std::string_view s) {
  while (!s.empty() && s.back() == '\0') s.remove_suffix(1);
  return s;
}

void split_into(std::string_view s, bool characters, std::vector<std::string_view>& tokens) {
  char32_t code = 0;
  std::size_t begin = 0, at = 0;
  while (at < s.size()) {
    const std::size_t n = read(s.substr(at), code);
    if (characters) {
      tokens.push_back(s.substr(at, n));
    } else if (is_space(code)) {
      if (at > begin) tokens.push_back(s.substr(begin, at - begin));
      begin = at + n;
    }
    at += n;
  }
  if (!characters && at > begin) tokens.push_back(s.substr(begin));
}

}  // namespace

TextEncoder::TextEncoder(TextSpec spec) : spec_(std::move(spec)) {
  const TextSpec& s = spec_;
  const auto expect = [&](bool good, const std::string& rule) {
    if (!good) throw Error(s.name + ": expected " + rule);
  };
  const auto size = [&](std::int64_t value, std::int64_t least, const std::string& what) {
    expect(value >= least && value <= kMaxNumber, what + " from " + std::to_string(least) + " to " +
                                                      std::to_string(kMaxNumber) + ", got " + std::to_string(value));
  };
  expect(is_utf8(s.name), "a name in UTF-8");
  expect(s.split == "none" || s.split == "whitespace" || s.split == "character",
         "`split` none, whitespace or character, got " + s.split);
  const bool ids = s.output == "int";
  expect(ids || s.output == "multi_hot" || s.output == "count" || s.output == "tf_idf",
         "`output` int, multi_hot, count or tf_idf, got " + s.output);
  size(s.texts, 1, "texts in a row");
  expect(s.texts == 1 || s.split == "none", "one text in a row where they are split");
  size(s.length, 1, "a length");
  size(s.groups, 1, "a number of groups");
  size(s.unknown, 0, "a number of ids for unknown tokens");
  expect(s.groups <= kMaxNumber / s.length, "rows that fit memory");
  expect(!ids || (s.groups == 1 && s.counts_mask), "ids in one group, with one for the mask token");
  expect(s.first_unknown == 0 || s.first_unknown == 1, "the first id of unknown tokens to be 0 or 1");
  expect(s.ngrams.size() <= kMaxSizes, "at most " + std::to_string(kMaxSizes) + " sizes of n-grams");
  for (const std::int64_t n : s.ngrams) size(n, 1, "sizes of n-grams");
  expect(s.salt.empty() || s.salt.size() == 2, "a salt of two numbers");
  expect(!s.mask_token || is_utf8(*s.mask_token), "a mask token in UTF-8");
  const std::int64_t first = s.first_unknown + s.unknown;
  const auto count = static_cast<std::int64_t>(s.vocabulary.size());
  expect(ids || first + count <= s.length, "room for each token, got fewer numbers than tokens");
  const bool weighs = s.output == "tf_idf";
  expect(s.idf.size() == (weighs ? static_cast<std::size_t>(s.length) : 0), "a weight for each id with tf_idf only");
  for (const double w : s.idf) expect(std::isfinite(w), "finite weights");
  ids_.reserve(s.vocabulary.size());
  for (std::int64_t i = 0; i < count; ++i) {
    const std::string& token = s.vocabulary[static_cast<std::size_t>(i)];
    if (!is_utf8(token)) expect(false, "tokens in UTF-8, got others at place " + std::to_string(i));
    ids_.emplace_back(token, first + i);
  }
  // A hash table would let a file choose tokens that collide.
  std::sort(ids_.begin(), ids_.end());
  const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
  const auto twice = std::adjacent_find(ids_.begin(), ids_.end(), same);
  if (twice != ids_.end()) expect(false, "different tokens, got \"" + std::string(twice->first) + "\" twice");
}

std::int64_t TextEncoder::id_of(std::string_view token) const {
  if (spec_.mask_token && token == *spec_.mask_token) return spec_.counts_mask ? 0 : -1;
  const auto before = [](const auto& a, std::string_view b) { return a.first < b; };
  const auto at = std::lower_bound(ids_.begin(), ids_.end(), token, before);
  if (at != ids_.end() && at->first == token) return at->second;
  if (spec_.unknown == 0)
    throw Error(spec_.name + ": expected tokens of the vocabulary, got \"" + std::string(token) +
                "\"; export the layer with num_oov_indices=1");
  if (spec_.unknown == 1) return spec_.first_unknown;
  const auto key = [&](std::size_t i) { return static_cast<std::uint64_t>(spec_.salt[i]); };
  const std::uint64_t hash = spec_.salt.empty() ? fingerprint64(token) : siphash64(token, {key(0), key(1)});
  return spec_.first_unknown + static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(spec_.unknown));
}

template <class T>
void TextEncoder::encode_row(const std::string_view* texts, T* y) const {
  const TextSpec& s = spec_;
  std::vector<std::string> clean(static_cast<std::size_t>(s.texts));
  std::vector<std::string_view> tokens;
  for (std::size_t i = 0; i < clean.size(); ++i) {
    std::string& text = clean[i];
    text = without_end(texts[i]);
    if (s.lower)
      for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    if (s.strip_punctuation) std::erase_if(text, is_punctuation);
    text.resize(without_end(text).size());
    if (s.split == "none") tokens.push_back(text);
    else split_into(text, s.split == "character", tokens);
  }
  const bool ids = s.output == "int", once = s.output == "multi_hot";
  std::fill(y, y + numbers(), T(0));
  std::int64_t place = 0;
  std::string joined;
  for (const std::int64_t n : s.ngrams) {
    const auto size = static_cast<std::size_t>(n);
    for (std::size_t i = 0; i + size <= tokens.size(); ++i, ++place) {
      if (ids && place == s.length) return;
      std::string_view token = tokens[i];
      if (size > 1) {
        joined = token;
        for (std::size_t k = 1; k < size; ++k) (joined += ' ') += tokens[i + k];
        token = joined;
      }
      const std::int64_t id = id_of(without_end(token));
      if (ids) {
        y[place] = static_cast<T>(id);
      } else if (id >= 0) {
        T& number = y[place % s.groups * s.length + id];
        number = once ? T(1) : number + T(1);
      }
    }
  }
  if (s.idf.empty()) return;
  // Rounded once, whether the layer multiplies in float32 or float64.
  for (std::int64_t i = 0; i < numbers(); ++i)
    y[i] = static_cast<T>(static_cast<double>(y[i]) * s.idf[static_cast<std::size_t>(i % s.length)]);
}

void TextEncoder::encode(std::int64_t n, const std::string_view* texts, DType dtype, void* rows) const {
  for (std::int64_t i = 0; i < n * spec_.texts; ++i)
    if (!is_utf8(texts[i]))
      throw Error(spec_.name + ": expected texts in UTF-8, got others in row " + std::to_string(i / spec_.texts));
  const auto all = [&](auto* y) {
    for (std::int64_t i = 0; i < n; ++i) encode_row(texts + i * spec_.texts, y + i * numbers());
  };
  if (dtype == DType::float32) all(static_cast<float*>(rows));
  else if (dtype == DType::float64) all(static_cast<double*>(rows));
  else if (dtype == DType::int64) all(static_cast<std::int64_t*>(rows));
  else throw Error(spec_.name + ": expected rows of float32, float64 or int64, got " + name_of(dtype));
}

}  // namespace pyseq
