#pragma once
#include <stdexcept>

namespace pyseq {

// Everything the core reports: `<where>: expected <rule>, got <value>; <what to do>`.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A device has no memory left for what was asked of it; the model stays as it was.
class OutOfMemory : public Error {
 public:
  using Error::Error;
};

// A call ended because the interruption check asked for it; nothing was updated.
class Interrupted : public Error {
 public:
  using Error::Error;
};

}  // namespace pyseq
