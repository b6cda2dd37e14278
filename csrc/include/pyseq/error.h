#pragma once
#include <stdexcept>

namespace pyseq {

// Everything the core reports: `<where>: expected <rule>, got <value>; <what to do>`.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace pyseq
