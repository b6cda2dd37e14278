#pragma once

namespace pyseq {

// 3, 2 or 1 bfloat16 parts for each float32 in products where there are such units: that of the scope of this
// thread, else the process's.
int matmul_precision();
// The process's.
int usual_precision();
// 3, 2 or 1 of "highest", "high" or "medium". Throws Error, which begins with `where`.
int precision_from(const char* name, const char* where);

// Products of this thread have this precision; 0: that of around. A team takes its leader's.
class PrecisionScope {
 public:
  explicit PrecisionScope(int precision) noexcept;
  ~PrecisionScope();
  PrecisionScope(const PrecisionScope&) = delete;
  PrecisionScope& operator=(const PrecisionScope&) = delete;

  static int current() noexcept;  // 0: none

 private:
  int before_;
  bool changes_;
};

}  // namespace pyseq
