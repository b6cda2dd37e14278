// Losses and metrics of a training step on a GPU.
#include "core/device_run.h"

namespace pyseq {

const float* DeviceSteps::gather(const Rows& rows, const void* from, const std::int64_t* order,
                                 std::int64_t n, void* to) {
  if (!from) return nullptr;
  device_.gather(stream_, {from, rows.dtype, rows.row, order, n, static_cast<float*>(to)});
  return static_cast<const float*>(to);
}

void DeviceSteps::evaluate(Measure& m, std::int64_t n, const float* y, const float* weights, bool as_loss,
                           double* sum, double* count) {
  const std::int64_t per = m.rows_per_sample;
  DeviceScales d{};
  d.n = n;
  d.rows_per_sample = per;
  d.weights = as_loss || m.weighted ? weights : nullptr;
  d.weight_row = std::max<std::int64_t>(s_.weight_row, 1);
  if (m.mask >= 0) {
    d.mask_row = m.mask_row;
    if (per % d.mask_row == 0) d.mask = static_cast<const float*>(s_.executor->slot(m.mask));
  }
  const auto found = m.attributes.find("ignore_class");
  d.ignores = as_loss && found != m.attributes.end();
  if (d.ignores) {
    const auto* whole = std::get_if<std::int64_t>(&found->second);
    d.ignored = whole ? static_cast<float>(*whole) : static_cast<float>(std::get<double>(found->second));
  }
  d.targets = y;
  d.as_loss = as_loss;
  d.reduction = static_cast<int>(s_.spec.loss.reduction);
  d.weight = s_.spec.loss.weight;
  d.scale = static_cast<float*>(s_.scale);
  d.count = count;
  device_.scales(stream_, d);

  void* x_in[3] = {s_.executor->slot(m.slot), const_cast<float*>(y), s_.scale};
  void* y_out[1] = {s_.values};
  const bool gradient = as_loss && s_.trains;
  void* dx[3] = {gradient ? s_.executor->gradient_of_slot(m.slot) : nullptr, nullptr, nullptr};
  Run run{};
  run.n = n;
  run.stream = stream_;
  run.config_ = m.state.config.get();
  run.x_ = x_in;
  run.y_ = y_out;
  run.dx_ = dx;
  run.scratch_ = m.scratch.data();
  run.worker_stride_ = m.worker_stride.data();
  run.training = gradient;
  m.def->forward(run);
  device_.weighted_sum(stream_, static_cast<const float*>(s_.values), d.scale, n * per, sum);
}

}  // namespace pyseq
