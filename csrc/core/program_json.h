#pragma once
#include <vector>

#include "core/json.h"
#include "core/program.h"

namespace pyseq {

constexpr std::int64_t kMaxItems = 1 << 20;  // slots, variables, attributes of a list

Json json_of(const Dims& dims);
Json json_of(const std::vector<int>& v);
Json json_of(const Attribute& attribute);
Json json_of(const Attributes& attributes);

// Of a list of at most kMaxItems; the others throw Error for what is none.
const Json::Array& items(const Json& json);
Dims dims_of(const Json& json);
std::vector<int> ints_of(const Json& json);
Attributes attributes_of(const Json& json);

// Slots, ops, inputs, outputs and dtypes; variables are their owner's.
void append(Json::Object& header, const ProgramSpec& spec);
// With its variables. Kinds of values only; Program checks the rest.
ProgramSpec program_spec_of(const Json& header);

}  // namespace pyseq
