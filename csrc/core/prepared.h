#pragma once
// An inside of Prepared, which Session makes.
#include <memory>
#include <vector>

#include "core/executor.h"
#include "pyseq/prepared.h"

namespace pyseq {

// The weights as kernels want them, for any number of rows; never written again.
struct Prepared::Shared {
  // `own`: the precision of matrix products, 0 for the process's.
  Shared(ProgramPtr program, const std::vector<VariablePtr>& variables, int own);
  bool stale() const noexcept;

  ProgramPtr program;
  std::unique_ptr<Executor> leader;
  std::uint64_t version = 0;  // of the weights
  int own, precision;
};

struct Prepared::State {
  State(std::shared_ptr<const Shared> shared, const std::vector<VariablePtr>& variables, std::int64_t rows,
        void* memory);

  std::shared_ptr<const Shared> shared;
  std::unique_ptr<Executor> executor;
};

}  // namespace pyseq
