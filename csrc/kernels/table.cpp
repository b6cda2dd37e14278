// The table of one ISA build. ops.inc, losses.inc and optimizers.inc list the files of the folders.
#include "core/isa.h"
#include "kernels/constraint.h"
#include "kernels/elementwise.h"
#include "kernels/penalty.h"
#include "kernels/real.h"

#define PYSEQ_TEXT_(x) #x
#define PYSEQ_TEXT(x) PYSEQ_TEXT_(x)

namespace pyseq::PYSEQ_NS {

#define PYSEQ_ENTRY(name) extern const OpDef op_##name;
#include "ops.inc"
#undef PYSEQ_ENTRY
#define PYSEQ_ENTRY(name) extern const OpDef loss_##name;
#include "losses.inc"
#undef PYSEQ_ENTRY
#define PYSEQ_ENTRY(name) extern const OptimizerDef optimizer_##name;
#include "optimizers.inc"
#undef PYSEQ_ENTRY

namespace {

const OpDef* const ops[] = {
#define PYSEQ_ENTRY(name) &op_##name,
#include "ops.inc"
#undef PYSEQ_ENTRY
};
const OpDef* const losses[] = {
#define PYSEQ_ENTRY(name) &loss_##name,
#include "losses.inc"
#undef PYSEQ_ENTRY
};
const OptimizerDef* const optimizers[] = {
#define PYSEQ_ENTRY(name) &optimizer_##name,
#include "optimizers.inc"
#undef PYSEQ_ENTRY
};

template <class T, int N>
constexpr int count(T (&)[N]) {
  return N;
}

}  // namespace

extern const KernelTable table;
const KernelTable table{PYSEQ_TEXT(PYSEQ_NS), sizeof(real),     ops,      count(ops),
                        losses,               count(losses),    optimizers, count(optimizers),
                        add,                  blend,            sum_squares, all_finite,
                        penalty,              constrain};

}  // namespace pyseq::PYSEQ_NS
