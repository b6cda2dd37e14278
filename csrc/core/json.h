#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace pyseq {

// The JSON of `.pyseq` headers: integers and floating point numbers are told apart by the dot.
struct Json {
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;
  std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Array, Object> value = nullptr;

  const Json& at(const char* key) const;     // throws Error
  const Json* find(const char* key) const;  // null if there is none
  const Array& array() const;
  const Object& object() const;
  const std::string& text() const;
  std::int64_t integer() const;
  double number() const;
  bool flag() const;
};

// Strict; at most 32 levels deep and `text` at most 64 MiB. Throws Error.
Json parse_json(const std::string& text);
std::string to_json(const Json& json);

}  // namespace pyseq
