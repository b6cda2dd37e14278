#pragma once
#include "core/json.h"
#include "core/text.h"

namespace pyseq {

// The entry "text" of a `.pyseq` header.
Json json_of(const TextSpec& spec);
TextSpec text_spec_of(const Json& json);  // kinds of values only; TextEncoder checks the rest

}  // namespace pyseq
