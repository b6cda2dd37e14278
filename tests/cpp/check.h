#pragma once
// Minimal checks for the C++ tests: print where and what, count, exit status.
#include <cstdio>
#include <string>

inline int failures = 0;

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      std::printf("%s:%d: expected %s\n", __FILE__, __LINE__, #condition);      \
      ++failures;                                                               \
    }                                                                           \
  } while (0)

// The call throws pyseq::Error whose text contains `part`.
#define CHECK_ERROR(call, part)                                                             \
  do {                                                                                      \
    bool thrown = false;                                                                    \
    try {                                                                                   \
      call;                                                                                 \
    } catch (const pyseq::Error& e) {                                                       \
      thrown = std::string(e.what()).find(part) != std::string::npos;                       \
      if (!thrown) std::printf("%s:%d: got \"%s\"\n", __FILE__, __LINE__, e.what());        \
    }                                                                                       \
    if (!thrown) {                                                                          \
      std::printf("%s:%d: expected an error with \"%s\" from %s\n", __FILE__, __LINE__, part, #call); \
      ++failures;                                                                           \
    }                                                                                       \
  } while (0)

inline int report(const char* name) {
  std::printf("%s: %s\n", name, failures ? "FAILED" : "passed");
  return failures ? 1 : 0;
}
