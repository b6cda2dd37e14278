#pragma once

namespace pyseq {

// What the environment says of a name, if the program has asked for that (`use_environment`); else null.
const char* from_environment(const char* name);

}  // namespace pyseq
