// Data, weights and totals of a step; the meaning is that of core/measure.cpp.
#include "cuda/step.h"

#include "cuda/divide.h"
#include "cuda/total.h"
#include "core/trainer.h"

namespace pyseq::cuda {
namespace {

template <class From>
void gather_from(DeviceStream* s, const DeviceGather& g) {
  const From* src = static_cast<const From*>(g.src);
  const std::int64_t* order = g.order;
  float* dst = g.dst;
  const Index row = g.row;
  const Divider by_row(row);
  const StepState* state = s->state;
  for_each(s, g.rows * row, [=] __device__(Index i) {
    const Index at = by_row.quotient(i), position = state->begin + at;
    dst[i] = static_cast<float>(src[(order ? order[position] : position) * row + (i - at * row)]);
  });
}

// The weight of a loss row before all rows are known.
struct RowWeights {
  DeviceScales d;
  Index group;  // weights that a row takes the mean of

  __device__ double kept(Index row) const {
    const Index i = row / d.rows_per_sample, t = row % d.rows_per_sample;
    if (d.ignores && d.targets[row] == d.ignored) return 0;
    return d.mask ? static_cast<double>(d.mask[i * d.mask_row + t * d.mask_row / d.rows_per_sample]) : 1;
  }
  __device__ double weight(Index row) const {
    if (!d.weights) return 1;
    const Index i = row / d.rows_per_sample, t = row % d.rows_per_sample;
    const float* first =
        d.weights + i * d.weight_row + (d.weight_row == 1 ? 0 : t * d.weight_row / d.rows_per_sample);
    double sum = 0;
    for (Index k = 0; k < group; ++k) sum += static_cast<double>(first[k]);
    return sum / static_cast<double>(group);
  }
};

}  // namespace

void gather(DeviceStream* s, const DeviceGather& g) {
  switch (g.dtype) {
    case DType::float32: return gather_from<float>(s, g);
    case DType::float64: return gather_from<double>(s, g);
    case DType::int32: return gather_from<std::int32_t>(s, g);
    case DType::int64: return gather_from<std::int64_t>(s, g);
    case DType::uint8: case DType::boolean: return gather_from<std::uint8_t>(s, g);
    case DType::int8: return gather_from<std::int8_t>(s, g);
    case DType::uint16: return gather_from<std::uint16_t>(s, g);
    case DType::int16: return gather_from<std::int16_t>(s, g);
  }
}

void add(DeviceStream* s, const float* src, float* dst, Index n) {
  for_each(s, n, [=] __device__(Index i) { dst[i] += src[i]; });
}

void scales(DeviceStream* s, const DeviceScales& d) {
  const Index rows = d.n * d.rows_per_sample;
  const auto reduction = static_cast<Reduction>(d.reduction);
  const bool mean = d.as_loss && reduction != Reduction::sum;
  float* const scale = d.scale;
  double* const count = d.as_loss ? nullptr : d.count;
  if (!d.weights && !d.mask && !d.ignores) {
    const double each = (d.as_loss ? d.weight : 1.0) / (mean ? static_cast<double>(rows) : 1.0);
    const float value = static_cast<float>(each);
    for_each(s, rows, [=] __device__(Index i) {
      scale[i] = value;
      if (count && i == 0) *count += static_cast<double>(rows);
    });
    return;
  }
  const Index group = d.weight_row / d.rows_per_sample;
  const RowWeights of{d, group > 1 ? group : 1};
  const bool masked = d.mask || d.ignores;
  double* const factor = masked && mean ? results(s) : nullptr;
  if (factor)
    total(s, rows, [=] __device__(Index i) -> double { return of.kept(i); },
          [=] __device__(double valid) { *factor = static_cast<double>(rows) / (valid + 1e-7); });
  double* const each = results(s) + 1;
  const bool as_loss = d.as_loss;
  const double weight = d.weight;
  total(
      s, rows,
      [=] __device__(Index i) -> double {
        double v = of.weight(i);
        if (masked) v *= of.kept(i) * (factor ? *factor : 1.0);
        scale[i] = static_cast<float>(v);
        return v;
      },
      [=] __device__(double sum) {
        if (count) *count += sum;
        *each = weight;
        if (reduction == Reduction::sum_over_batch_size) *each = weight / static_cast<double>(rows);
        if (reduction == Reduction::mean_with_sample_weight) *each = sum != 0 ? weight / sum : 0;
      });
  if (!as_loss) return;
  for_each(s, rows, [=] __device__(Index i) {
    scale[i] = static_cast<float>(static_cast<double>(scale[i]) * *each);
  });
}

void weighted_sum(DeviceStream* s, const float* values, const float* scale, Index rows, double* sum) {
  total(
      s, rows,
      [=] __device__(Index i) -> double {
        // A masked row may hold a NaN: 0 times NaN must not spoil the sum.
        return scale[i] != 0 ? static_cast<double>(values[i]) * static_cast<double>(scale[i]) : 0;
      },
      [=] __device__(double v) { *sum += v; });
}

void finish_step(DeviceStream* s, double* loss, const double* added, int count, Index n, double* totals) {
  StepState* const state = s->state;
  total(s, count, [=] __device__(Index i) -> double { return added[i]; },
        [=] __device__(double sum) {
          totals[0] += static_cast<double>(n) * (*loss + sum);
          totals[1] += static_cast<double>(n);
          *loss = 0;
          ++state->step;
          ++state->iteration;
          ++state->batch;
          state->begin += n;
        });
}

}  // namespace pyseq::cuda
