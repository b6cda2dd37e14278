// A training run on a GPU: the steps of a run on the host, enqueued. Whole steps are captured as
// graphs; the host waits a few times a second, when it brings new rows or looks at the clock.
#include "core/device_run.h"
#include "core/precision.h"

namespace pyseq {

void DeviceRunDeleter::operator()(DeviceRun* run) const { delete run; }

void Trainer::State::forget_device_steps() {
  if (device) device->forget();
}

void DeviceSteps::start() {
  s_.executor->begin(nullptr, s_.trains);
  if (s_.trains) bind_parameters();
  const std::size_t bytes = (3 + 2 * s_.metrics.size()) * sizeof(double) +
                            (s_.spec.optimizers.size() + 1) * sizeof(int);
  if (run_.totals.reserve(bytes)) run_.forget();
  device_.zero(stream_, run_.totals.data(), bytes);
  const StepState state{r_.step, r_.iteration, 0, 0};
  device_.upload(stream_, device_.state(stream_), &state, sizeof state);
}

std::int64_t DeviceSteps::run(std::vector<Total>& totals) {
  start();
  const std::int64_t rows = r_.end - r_.begin;
  const std::int64_t batches = std::min(r_.max_batches, (rows + r_.batch_size - 1) / r_.batch_size);
  if (s_.trains) {
    const std::size_t bytes = static_cast<std::size_t>(batches) * s_.spec.optimizers.size() * sizeof(double);
    if (run_.rates.reserve(bytes)) run_.forget();
    device_.upload(stream_, run_.rates.data(), r_.learning_rates, bytes);
  }
  if (r_.predictions && run_.predictions.reserve(prediction_bytes(rows_of(0)))) run_.forget();
  const std::int64_t done = is_held() ? run_held(batches) : run_streamed(batches);
  std::vector<double> values(2 + 2 * s_.metrics.size());
  device_.download(stream_, values.data(), total(0), values.size() * sizeof(double));
  for (std::size_t k = 0; k < totals.size(); ++k) {
    totals[k].total += values[2 * k];
    totals[k].count += values[2 * k + 1];
  }
  s_.executor->end();
  return done;
}

void DeviceSteps::step(const DeviceSource& source, std::int64_t batch) {
  const std::int64_t n = rows_of(batch);
  const std::byte* first = run_.rates.data();
  DeviceStep& known = run_.steps[{n, source.x, source.y, source.weights, source.order, first,
                                  predictions(), matmul_precision()}];
  if (!known.graph && known.capturable && known.runs > 0 && !s_.profiling) {
    device_.begin_capture(stream_);
    enqueue(source, n);
    known.graph = device_.end_capture(stream_);
    known.capturable = known.graph != nullptr;
  }
  if (known.graph) device_.launch(stream_, known.graph);
  else enqueue(source, n);
  ++known.runs;
  if (!r_.predictions) return;
  device_.download(stream_, static_cast<char*>(r_.predictions) + prediction_bytes(batch * r_.batch_size),
                   predictions(), prediction_bytes(n));
}

void DeviceSteps::enqueue(const DeviceSource& source, std::int64_t n) {
  Rows rows = r_.x;
  if (slot_dtype(program_.spec(), program_.spec().inputs[0]) == DType::int64) {
    if (rows.dtype != DType::int64) throw Error("Trainer: expected int64 inputs, which the program reads");
    rows.dtype = DType::float32;  // the same bytes
    rows.row *= 2;
  }
  const void* x = gather(rows, source.x, source.order, n, s_.x);
  const float* y = gather(r_.y, source.y, source.order, n, s_.y);
  const float* weights = gather(r_.weights, source.weights, source.order, n, s_.weights);
  const void* const inputs[] = {x, y};
  s_.executor->forward(nullptr, n, inputs, s_.trains, 0);
  if (r_.predictions)
    device_.copy(stream_, predictions(), s_.executor->slot(program_.spec().outputs[0]), prediction_bytes(n));
  for (std::size_t i = 0; i < s_.metrics.size() && y; ++i)
    evaluate(s_.metrics[i], n, y, weights, false, total(i + 1), total(i + 1) + 1);
  if (s_.loss.def && y) evaluate(s_.loss, n, y, weights, true, loss(), nullptr);
  if (s_.trains) s_.executor->backward(nullptr, n, 0);
  s_.executor->finish(nullptr, n);
  penalties();
  if (s_.trains) update();
  device_.finish_step(stream_, loss(), s_.executor->device_losses(), s_.executor->ops(), n, total(0));
}

std::int64_t Trainer::State::run_on_device(const Program& program, const BatchRun& r,
                                           std::vector<Total>& totals) {
  if (!device) device.reset(new DeviceRun(*table->device));
  return DeviceSteps(*this, program, r).run(totals);
}

}  // namespace pyseq
