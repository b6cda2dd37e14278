#include "kernels/conv.h"

namespace pyseq::PYSEQ_NS {

ConvShape conv_shape_from(const Plan& plan, const Shape& x, const Shape& kernel) {
  const int rank = x.rank - 1;
  if (rank < 1 || rank > 3) plan.fail("expected an input of 1 to 3 spatial axes, got %d", rank);
  if (kernel.rank != rank + 2)
    plan.fail("expected a kernel of rank %d, got %d", rank + 2, kernel.rank);
  Index stride[3], dilation[3], begin[3], end[3];
  const struct {
    const char* name;
    Index* to;
    Index least;
  } lists[] = {{"strides", stride, 1},
               {"dilations", dilation, 1},
               {"pads_begin", begin, 0},
               {"pads_end", end, 0}};
  for (const auto& list : lists) {
    if (plan.integers(list.name, list.to, 3, at_least(list.least)) != rank)
      plan.fail("expected %d numbers in `%s`", rank, list.name);
  }
  ConvShape s;
  s.groups = plan.integer("groups", 1, at_least(1));
  s.channels = x[rank];
  s.filters = kernel[rank + 1];
  if (s.channels % s.groups || s.filters % s.groups)
    plan.fail("expected channels (%lld) and filters (%lld) divisible by groups (%lld)",
              static_cast<long long>(s.channels), static_cast<long long>(s.filters),
              static_cast<long long>(s.groups));
  for (int i = 0; i < rank; ++i) {
    ConvAxis& a = s.axis[3 - rank + i];
    a = {x[i], 0, kernel[i], stride[i], dilation[i], begin[i]};
    const Index reach = (a.kernel - 1) * a.dilation + 1;
    const Index room = a.in + begin[i] + end[i] - reach;
    if (room < 0)
      plan.fail("expected an input of at least %lld along spatial axis %d, got %lld",
                static_cast<long long>(reach), i, static_cast<long long>(a.in + begin[i] + end[i]));
    a.out = room / a.stride + 1;
  }
  return s;
}

}  // namespace pyseq::PYSEQ_NS
