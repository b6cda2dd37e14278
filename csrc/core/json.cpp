#include "core/json.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "pyseq/error.h"

namespace pyseq {
namespace {

constexpr int kMaxDepth = 32;
constexpr std::size_t kMaxBytes = std::size_t{64} << 20;

[[noreturn]] void fail(const std::string& what) {
  throw Error("JSON header: expected " + what + "; the file is damaged or not a .pyseq file");
}

class Parser {
 public:
  explicit Parser(const std::string& text) : at_(text.c_str()), end_(at_ + text.size()) {}

  Json document() {
    Json json = value(0);
    skip();
    if (at_ != end_) fail("one value");
    return json;
  }

 private:
  void skip() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }
  char peek() {
    skip();
    if (at_ == end_) fail("more text");
    return *at_;
  }
  void take(char c) {
    if (peek() != c) fail(std::string("`") + c + "`");
    ++at_;
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void word(const char* w) {
    const std::size_t n = std::strlen(w);
    if (static_cast<std::size_t>(end_ - at_) < n || std::memcmp(at_, w, n)) fail(w);
    at_ += n;
  }

  Json value(int depth) {
    if (depth > kMaxDepth) fail("fewer levels of nesting");
    switch (peek()) {
      case '{': {
        Json::Object object;
        take('{');
        if (accept('}')) return {object};
        do {
          peek();
          std::string key = string();
          take(':');
          object.emplace_back(std::move(key), value(depth + 1));
        } while (accept(','));
        take('}');
        return {std::move(object)};
      }
      case '[': {
        Json::Array array;
        take('[');
        if (accept(']')) return {array};
        do array.push_back(value(depth + 1));
        while (accept(','));
        take(']');
        return {std::move(array)};
      }
      case '"': return {string()};
      case 't': word("true"); return {true};
      case 'f': word("false"); return {false};
      case 'n': word("null"); return {nullptr};
      default: return number();
    }
  }

  Json number() {
    const char* const begin = at_;
    while (at_ != end_ && std::strchr("+-0123456789.eE", *at_) && *at_) ++at_;
    const std::string digits(begin, at_);
    if (digits.empty()) fail("a value");
    if (digits.find_first_of(".eE") == std::string::npos) {
      std::int64_t v = 0;
      const auto [stop, error] = std::from_chars(begin, at_, v);
      if (stop != at_ || error != std::errc()) fail("an integer of 64 bits");
      return {v};
    }
    double v = 0;
    const auto [stop, error] = std::from_chars(begin, at_, v);
    if (stop != at_) fail("a number");
    if (error == std::errc::result_out_of_range) {  // 1e999 is infinity
      const std::size_t e = digits.find_first_of("eE");
      const bool tiny = e == std::string::npos ? digits[digits[0] == '-'] == '0' : digits[e + 1] == '-';
      v = tiny ? 0.0 : std::numeric_limits<double>::infinity();
      if (digits[0] == '-') v = -v;
    }
    return {v};
  }

  std::string string() {
    take('"');
    std::string s;
    for (;;) {
      if (at_ == end_) fail("the end of a string");
      const char c = *at_++;
      if (c == '"') return s;
      if (static_cast<unsigned char>(c) < 0x20) fail("no control characters in strings");
      if (c != '\\') {
        s += c;
        continue;
      }
      if (at_ == end_) fail("an escape");
      const char e = *at_++;
      const char* const from = "\"\\/bfnrt";
      const char* const to = "\"\\/\b\f\n\r\t";
      if (const char* p = std::strchr(from, e); p && e) {
        s += to[p - from];
      } else if (e == 'u') {
        s += unicode();
      } else {
        fail("a known escape");
      }
    }
  }

  unsigned hex4() {
    unsigned v = 0;
    for (int i = 0; i < 4; ++i) {
      if (at_ == end_) fail("four hex digits");
      const char c = *at_++;
      const int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (d < 0) fail("four hex digits");
      v = v * 16 + static_cast<unsigned>(d);
    }
    return v;
  }

  std::string unicode() {
    unsigned code = hex4();
    if (code >= 0xD800 && code < 0xDC00) {
      word("\\u");
      const unsigned low = hex4();
      if (low < 0xDC00 || low > 0xDFFF) fail("a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    std::string s;
    const auto put = [&](unsigned v) { s += static_cast<char>(v); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xC0 | code >> 6);
      put(0x80 | (code & 63));
    } else if (code < 0x10000) {
      put(0xE0 | code >> 12);
      put(0x80 | (code >> 6 & 63));
      put(0x80 | (code & 63));
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 63));
      put(0x80 | (code >> 6 & 63));
      put(0x80 | (code & 63));
    }
    return s;
  }

  const char* at_;
  const char* end_;
};

// As few of 15 to 17 digits as are read back as `d`. std::to_chars would bring a tenth of a megabyte of tables.
std::string short_text(double d) {
  char digits[40];
  for (int precision = 15; precision <= 17; ++precision) {
    std::snprintf(digits, sizeof digits, "%.*g", precision, d);
    if (std::strtod(digits, nullptr) == d) break;
  }
  std::string text;
  for (const char* c = digits; *c; ++c) {
    if (std::strchr("-+e0123456789", *c)) {
      text += *c;
    } else if (text.find('.') == std::string::npos) {  // a decimal point in any locale, of several bytes too
      text += '.';
    }
  }
  return text;
}

void write(const Json& json, std::string& out) {
  if (std::get_if<std::nullptr_t>(&json.value)) {
    out += "null";
  } else if (const bool* b = std::get_if<bool>(&json.value)) {
    out += *b ? "true" : "false";
  } else if (const auto* i = std::get_if<std::int64_t>(&json.value)) {
    out += std::to_string(*i);
  } else if (const double* d = std::get_if<double>(&json.value)) {
    if (std::isnan(*d)) throw Error("to_json: expected numbers, got NaN");
    std::string text = *d > 0 ? "1e999" : "-1e999";
    if (std::isfinite(*d)) {
      text = short_text(*d);
    }
    out += text;
    if (text.find_first_of(".e") == std::string::npos) out += ".0";
  } else if (const auto* s = std::get_if<std::string>(&json.value)) {
    out += '"';
    for (const char c : *s) {
      if (c == '"' || c == '\\') {
        out += '\\';
        out += c;
      } else if (static_cast<unsigned char>(c) < 0x20) {
        constexpr const char* kHex = "0123456789abcdef";
        out += "\\u00";
        out += kHex[c >> 4];
        out += kHex[c & 15];
      } else {
        out += c;
      }
    }
    out += '"';
  } else if (const auto* a = std::get_if<Json::Array>(&json.value)) {
    out += '[';
    for (std::size_t i = 0; i < a->size(); ++i) {
      if (i) out += ',';
      write((*a)[i], out);
    }
    out += ']';
  } else {
    const auto& o = std::get<Json::Object>(json.value);
    out += '{';
    for (std::size_t i = 0; i < o.size(); ++i) {
      if (i) out += ',';
      write(Json{o[i].first}, out);
      out += ':';
      write(o[i].second, out);
    }
    out += '}';
  }
}

template <class T>
const T& as(const Json& json, const char* what) {
  if (const T* v = std::get_if<T>(&json.value)) return *v;
  fail(what);
}

}  // namespace

const Json* Json::find(const char* key) const {
  for (const auto& [k, v] : object())
    if (k == key) return &v;
  return nullptr;
}
const Json& Json::at(const char* key) const {
  if (const Json* json = find(key)) return *json;
  fail(std::string("key `") + key + "`");
}
const Json::Array& Json::array() const { return as<Array>(*this, "a list"); }
const Json::Object& Json::object() const { return as<Object>(*this, "an object"); }
const std::string& Json::text() const { return as<std::string>(*this, "a string"); }
std::int64_t Json::integer() const { return as<std::int64_t>(*this, "an integer"); }
bool Json::flag() const { return as<bool>(*this, "true or false"); }
double Json::number() const {
  if (const auto* i = std::get_if<std::int64_t>(&value)) return static_cast<double>(*i);
  return as<double>(*this, "a number");
}

Json parse_json(const std::string& text) {
  if (text.size() > kMaxBytes) fail("at most 64 MiB");
  return Parser(text).document();
}

std::string to_json(const Json& json) {
  std::string out;
  write(json, out);
  if (out.size() > kMaxBytes)
    throw Error("model file: expected a header of at most 64 MiB, which is what is read again, got " +
                std::to_string(out.size()) + " bytes; use a smaller vocabulary");
  return out;
}

}  // namespace pyseq
