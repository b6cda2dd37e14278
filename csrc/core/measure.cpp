#include "core/trainer_state.h"

namespace pyseq {
namespace {

template <class From, class To>
void convert(const void* from, To* to, Index n) {
  const From* f = static_cast<const From*>(from);
  for (Index i = 0; i < n; ++i) to[i] = static_cast<To>(f[i]);
}

template <class To>
void convert(DType dtype, const void* from, To* to, Index n) {
  switch (dtype) {
    case DType::float32: return convert<float>(from, to, n);
    case DType::float64: return convert<double>(from, to, n);
    case DType::int32: return convert<std::int32_t>(from, to, n);
    case DType::int64: return convert<std::int64_t>(from, to, n);
    case DType::uint8: case DType::boolean: return convert<std::uint8_t>(from, to, n);
    case DType::int8: return convert<std::int8_t>(from, to, n);
    case DType::uint16: return convert<std::uint16_t>(from, to, n);
    case DType::int16: return convert<std::int16_t>(from, to, n);
  }
}

}  // namespace

const void* Trainer::State::gather(Pool* pool, const Rows& rows, const std::int64_t* order,
                                   std::int64_t begin, std::int64_t n, void* to, DType dtype) {
  if (!rows.data) return nullptr;
  const std::size_t width = static_cast<std::size_t>(rows.row) * size_of(rows.dtype);
  const char* from = static_cast<const char*>(rows.data);
  const bool same = rows.dtype == dtype;
  const std::size_t size = size_of(dtype);
  if (same && !order) return from + static_cast<std::size_t>(begin) * width;
  const Index grain = std::max<Index>(1, 32768 / std::max<Index>(1, rows.row));
  parallel_for(pool, n, grain, [&](Index b, Index e, int) {
    for (Index i = b; i < e; ++i) {
      const char* row = from + static_cast<std::size_t>(order ? order[begin + i] : begin + i) * width;
      char* out = static_cast<char*>(to) + static_cast<std::size_t>(i * rows.row) * size;
      if (same)
        std::memcpy(out, row, width);
      else if (dtype == DType::float32)
        convert(rows.dtype, row, reinterpret_cast<float*>(out), rows.row);
      else if (dtype == DType::int64)
        convert(rows.dtype, row, reinterpret_cast<std::int64_t*>(out), rows.row);
      else
        convert(rows.dtype, row, reinterpret_cast<double*>(out), rows.row);
    }
  });
  return to;
}

// scale[r] for each loss row. As a loss: what multiplies each value so that the sum is the loss.
// As a metric: plain weights, whose sum goes to *count.
template <class T>
void Trainer::State::write_scales(const Measure& m, std::int64_t n, const T* w, const T* targets,
                                  bool as_loss, double* count) {
  const std::int64_t per = m.rows_per_sample, rows = n * per;
  // With other processes, what is computed here counts by its part of the batch's rows.
  const double own_part = as_loss && group ? static_cast<double>(n) / static_cast<double>(share.all) : 1.0;
  const T* mask = nullptr;
  std::int64_t mask_per = 0;
  if (m.mask >= 0) {
    mask = static_cast<const T*>(executor->slot(m.mask));
    mask_per = m.mask_row;
    if (per % mask_per != 0) mask = nullptr;
  }
  T* s = static_cast<T*>(scale);
  const auto found = m.attributes.find("ignore_class");
  const bool ignores = as_loss && found != m.attributes.end();
  if (!w && !mask && !ignores) {
    const bool mean = as_loss && spec.loss.reduction != Reduction::sum;
    const double each = (as_loss ? spec.loss.weight : 1.0) / (mean ? static_cast<double>(rows) : own_part);
    std::fill(s, s + rows, static_cast<T>(each));
    *count = static_cast<double>(rows);
    return;
  }
  const auto of_all = [&](double value) {
    if (as_loss && group) group->sum(&value, 1);
    return value;
  };
  double factor = 1;
  // A loss that leaves out a class has one label for each row.
  T ignored = 0;
  if (ignores) {
    const auto* whole = std::get_if<std::int64_t>(&found->second);
    ignored = whole ? static_cast<T>(*whole) : static_cast<T>(std::get<double>(found->second));
  }
  const auto keeps = [&](std::int64_t i, std::int64_t t) {
    const T kept = mask ? mask[i * mask_per + t * mask_per / per] : T(1);
    return ignores && targets[i * per + t] == ignored ? T(0) : kept;
  };
  if ((mask || ignores) && as_loss && spec.loss.reduction != Reduction::sum) {
    double valid = 0;
    for (std::int64_t r = 0; r < rows; ++r) valid += static_cast<double>(keeps(r / per, r % per));
    factor = static_cast<double>(as_loss && group ? share.all * per : rows) / (of_all(valid) + 1e-7);
  }
  double sum = 0;
  const std::int64_t w_per = std::max<std::int64_t>(weight_row, 1);
  // A loss with fewer rows than the weights, such as Dice, takes their mean.
  const std::int64_t group = std::max<std::int64_t>(w_per / per, 1);
  const auto weight = [&](std::int64_t i, std::int64_t t) {
    const T* first = w + i * w_per + (w_per == 1 ? 0 : t * w_per / per);
    double total = 0;
    for (std::int64_t k = 0; k < group; ++k) total += static_cast<double>(first[k]);
    return total / static_cast<double>(group);
  };
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t i = r / per, t = r % per;
    double v = 1;
    if (w) v = weight(i, t);
    if (mask || ignores) v *= static_cast<double>(keeps(i, t)) * factor;
    sum += v;
    s[r] = static_cast<T>(v);
  }
  if (!as_loss) {
    *count = sum;
    return;
  }
  double each = spec.loss.weight;
  if (spec.loss.reduction == Reduction::sum_over_batch_size) each /= static_cast<double>(rows);
  if (spec.loss.reduction == Reduction::sum) each /= own_part;
  if (spec.loss.reduction == Reduction::mean_with_sample_weight) {
    sum = of_all(sum);
    each = sum != 0 ? each / sum / own_part : 0;
  }
  for (std::int64_t r = 0; r < rows; ++r) s[r] = static_cast<T>(static_cast<double>(s[r]) * each);
}

// Four partial sums, so that the additions do not wait for each other; the order is fixed.
template <class T>
double Trainer::State::weighted_sum(std::int64_t rows) const {
  const T* v = static_cast<const T*>(values);
  const T* s = static_cast<const T*>(scale);
  double sum[4] = {};
  for (std::int64_t r = 0; r < rows; ++r)
    // A masked row may hold a NaN: 0 times NaN must not spoil the sum.
    if (s[r] != 0) sum[r & 3] += static_cast<double>(v[r]) * static_cast<double>(s[r]);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

template <class T>
Total Trainer::State::evaluate(Measure& m, Pool* pool, std::int64_t n, const void* targets,
                               const void* w, bool as_loss, bool gradient, std::uint64_t step) {
  Total total;
  write_scales<T>(m, n, static_cast<const T*>(as_loss || m.weighted ? w : nullptr),
                  static_cast<const T*>(targets), as_loss, &total.count);
  void* x_in[3] = {executor->slot(m.slot), const_cast<void*>(targets), scale};
  void* y_out[1] = {values};
  void* dx[3] = {gradient ? executor->gradient_of_slot(m.slot) : nullptr, nullptr, nullptr};
  Run run{};
  run.n = n;
  run.pool = pool;
  run.config_ = m.state.config.get();
  run.x_ = x_in;
  run.y_ = y_out;
  run.dx_ = dx;
  run.scratch_ = m.scratch.data();
  run.worker_stride_ = m.worker_stride.data();
  run.step = step;
  run.training = gradient;
  if (n > 0) m.def->forward(run);
  total.total = weighted_sum<T>(n * m.rows_per_sample);
  return total;
}

template Total Trainer::State::evaluate<float>(Measure&, Pool*, std::int64_t, const void*, const void*,
                                               bool, bool, std::uint64_t);
template Total Trainer::State::evaluate<double>(Measure&, Pool*, std::int64_t, const void*, const void*,
                                                bool, bool, std::uint64_t);

}  // namespace pyseq
