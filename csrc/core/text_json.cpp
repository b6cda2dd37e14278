#include "core/text_json.h"

#include "pyseq/error.h"

namespace pyseq {
namespace {

template <class T>
Json list(const std::vector<T>& values) {
  Json::Array a(values.size());
  for (std::size_t i = 0; i < a.size(); ++i) a[i].value = values[i];
  return {std::move(a)};
}

std::vector<std::int64_t> integers(const Json& json) {
  std::vector<std::int64_t> v;
  for (const Json& j : json.array()) v.push_back(j.integer());
  return v;
}

}  // namespace

Json json_of(const TextSpec& s) {
  return {Json::Object{{"name", {s.name}},
                       {"texts", {s.texts}},
                       {"lower", {s.lower}},
                       {"strip_punctuation", {s.strip_punctuation}},
                       {"split", {s.split}},
                       {"ngrams", list(s.ngrams)},
                       {"output", {s.output}},
                       {"length", {s.length}},
                       {"groups", {s.groups}},
                       {"mask_token", s.mask_token ? Json{*s.mask_token} : Json{}},
                       {"counts_mask", {s.counts_mask}},
                       {"first_unknown", {s.first_unknown}},
                       {"unknown", {s.unknown}},
                       {"salt", list(s.salt)},
                       {"vocabulary", list(s.vocabulary)},
                       {"idf", list(s.idf)}}};
}

TextSpec text_spec_of(const Json& json) {
  TextSpec s;
  s.name = json.at("name").text();
  s.texts = json.at("texts").integer();
  s.lower = json.at("lower").flag();
  s.strip_punctuation = json.at("strip_punctuation").flag();
  s.split = json.at("split").text();
  s.ngrams = integers(json.at("ngrams"));
  s.output = json.at("output").text();
  s.length = json.at("length").integer();
  s.groups = json.at("groups").integer();
  const Json& mask = json.at("mask_token");
  if (!std::get_if<std::nullptr_t>(&mask.value)) s.mask_token = mask.text();
  s.counts_mask = json.at("counts_mask").flag();
  s.first_unknown = json.at("first_unknown").integer();
  s.unknown = json.at("unknown").integer();
  s.salt = integers(json.at("salt"));
  for (const Json& j : json.at("vocabulary").array()) s.vocabulary.push_back(j.text());
  for (const Json& j : json.at("idf").array()) s.idf.push_back(j.number());
  return s;
}

}  // namespace pyseq
