#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pyseq/variable.h"

namespace pyseq {

// What stands before the program of a model that takes texts, as data: TextVectorization,
// StringLookup or Hashing. A text is standardized, split into tokens and joined to n-grams; each of
// these has an id, and a row of the program's input holds ids or counts of them.
struct TextSpec {
  std::string name;           // of the layer; errors begin with it
  std::int64_t texts = 1;     // in a row; one where they are split
  bool lower = false;         // ASCII letters
  bool strip_punctuation = false;
  std::string split = "none";  // each text is one token; "whitespace" (Unicode's) or "character"
  std::vector<std::int64_t> ngrams = {1};
  std::string output = "int";  // or "multi_hot", "count", "tf_idf"
  std::int64_t length = 1;    // ids of a row, cut or padded with 0; else numbers of a group
  std::int64_t groups = 1;    // token i of a row counts in group i % groups
  std::optional<std::string> mask_token;
  bool counts_mask = true;    // the mask token has id 0; else it counts nowhere
  std::int64_t first_unknown = 0, unknown = 1;  // ids of tokens outside the vocabulary
  std::vector<std::int64_t> salt;  // two: unknown ones by SipHash under this key, not FarmHash
  std::vector<std::string> vocabulary;  // ids follow those of unknown tokens
  std::vector<double> idf;    // of each id, for "tf_idf"
};

// Texts to rows of numbers, the same as those of the Python layers. Any number of threads may use it.
class TextEncoder {
 public:
  explicit TextEncoder(TextSpec spec);  // throws Error
  TextEncoder(const TextEncoder&) = delete;
  TextEncoder& operator=(const TextEncoder&) = delete;

  const TextSpec& spec() const { return spec_; }
  // Numbers in a row.
  std::int64_t numbers() const { return spec_.groups * spec_.length; }
  // n rows of UTF-8 texts to n rows of `dtype`: float32, float64 or int64. Throws Error.
  void encode(std::int64_t n, const std::string_view* texts, DType dtype, void* rows) const;

 private:
  template <class T>
  void encode_row(const std::string_view* texts, T* y) const;
  std::int64_t id_of(std::string_view token) const;  // -1 for none

  TextSpec spec_;
  std::vector<std::pair<std::string_view, std::int64_t>> ids_;  // sorted; point into the vocabulary
};

}  // namespace pyseq
