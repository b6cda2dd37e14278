// The arguments of layers, losses and optimizers of a model built in C++.
#include <algorithm>
#include <cmath>
#include <utility>

#include "core/program_json.h"
#include "core/sequential.h"
#include "pyseq/error.h"

namespace pyseq {

const Attribute* Arguments::find(const char* name) {
  known_.emplace_back(name);
  const auto it = given_.find(name);
  return it == given_.end() ? nullptr : &it->second;
}

void Arguments::fail(const std::string& text) const { throw Error(where_ + ": " + text); }

std::int64_t Arguments::integer(const char* name, std::int64_t least) {
  const Attribute* a = find(name);
  if (!a) fail(std::string("expected the argument `") + name + "`, got none");
  const auto* i = std::get_if<std::int64_t>(a);
  if (!i || *i < least)
    fail(std::string("expected `") + name + "` to be an integer of " + std::to_string(least) + " or more");
  config.emplace_back(name, Json{*i});
  return *i;
}
std::int64_t Arguments::integer(const char* name, std::int64_t otherwise, std::int64_t least) {
  return has(name) ? integer(name, least) : (known_.emplace_back(name), otherwise);
}

double Arguments::number(const char* name) {
  const Attribute* a = find(name);
  if (!a) fail(std::string("expected the argument `") + name + "`, got none");
  double value = 0;
  if (const auto* i = std::get_if<std::int64_t>(a)) value = static_cast<double>(*i);
  else if (const auto* d = std::get_if<double>(a); d && std::isfinite(*d)) value = *d;
  else fail(std::string("expected `") + name + "` to be a finite number");
  config.emplace_back(name, Json{value});
  return value;
}
double Arguments::number(const char* name, double otherwise) {
  return has(name) ? number(name) : (known_.emplace_back(name), otherwise);
}

bool Arguments::flag(const char* name, bool otherwise) {
  const Attribute* a = find(name);
  if (!a) return otherwise;
  const auto* i = std::get_if<std::int64_t>(a);
  if (!i || *i < 0 || *i > 1) fail(std::string("expected `") + name + "` to be true or false");
  config.emplace_back(name, Json{*i == 1});
  return *i == 1;
}

std::string Arguments::text(const char* name, const std::string& otherwise) {
  const Attribute* a = find(name);
  if (!a) return otherwise;
  const auto* s = std::get_if<std::string>(a);
  if (!s) fail(std::string("expected `") + name + "` to be a string");
  config.emplace_back(name, Json{*s});
  return *s;
}

Dims Arguments::integers(const char* name) {
  const Attribute* a = find(name);
  if (!a) fail(std::string("expected the argument `") + name + "`, got none");
  Dims values;
  if (const auto* i = std::get_if<std::int64_t>(a)) values = {*i};
  else if (const auto* v = std::get_if<Dims>(a)) values = *v;
  else fail(std::string("expected `") + name + "` to be integers: pyseq::Dims{...}");
  config.emplace_back(name, json_of(values));
  return values;
}

bool Arguments::holds_numbers(const char* name) const {
  const auto it = given_.find(name);
  return it != given_.end() && std::holds_alternative<std::vector<double>>(it->second);
}

std::vector<double> Arguments::numbers(const char* name) {
  const Attribute* a = find(name);
  const auto* v = a ? std::get_if<std::vector<double>>(a) : nullptr;
  if (!v) fail(std::string("expected `") + name + "` to be numbers: std::vector<double>{...}");
  config.emplace_back(name, json_of(*a));
  return *v;
}

Dims Arguments::sizes(const char* name, std::size_t axes) {
  Dims values = integers(name);
  if (values.size() == 1) values.assign(axes, values[0]);
  if (values.size() != axes || std::any_of(values.begin(), values.end(), [](std::int64_t v) { return v < 1; }))
    fail(std::string("expected `") + name + "` to be one size or " + std::to_string(axes) + " sizes of 1 or more");
  config.back().second = json_of(values);
  return values;
}
Dims Arguments::sizes(const char* name, std::size_t axes, std::int64_t otherwise) {
  return has(name) ? sizes(name, axes) : (known_.emplace_back(name), Dims(axes, otherwise));
}

void Arguments::margins(const char* name, std::size_t axes, Dims* before, Dims* after) {
  Dims v = has(name) ? integers(name) : (known_.emplace_back(name), Dims{1});
  if (v.size() == 1 || (v.size() == axes && axes > 1)) {
    Dims twice(2 * axes);
    for (std::size_t i = 0; i < twice.size(); ++i) twice[i] = v[v.size() == 1 ? 0 : i / 2];
    v = std::move(twice);
  }
  if (v.size() != 2 * axes || std::any_of(v.begin(), v.end(), [](std::int64_t m) { return m < 0; }))
    fail(std::string("expected `") + name + "` to be one size, one for each of " + std::to_string(axes) +
         " axes or two for each");
  Json::Array pairs;
  for (std::size_t i = 0; i < axes; ++i) {
    before->push_back(v[2 * i]);
    after->push_back(v[2 * i + 1]);
    pairs.push_back(json_of(Dims{v[2 * i], v[2 * i + 1]}));
  }
  if (has(name)) config.back().second = axes == 1 ? json_of(v) : Json{std::move(pairs)};
}

void Arguments::finish() const {
  std::string list;
  for (const std::string& k : known_) list += (list.empty() ? "" : ", ") + k;
  for (const auto& [name, value] : given_)
    if (std::find(known_.begin(), known_.end(), name) == known_.end())
      fail("expected some of the arguments " + list + ", got `" + name + "`");
}

}  // namespace pyseq
