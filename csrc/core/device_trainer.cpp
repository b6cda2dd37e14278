// A training run on a GPU: the steps of Trainer::run, enqueued. Whole steps are captured as graphs; the
// host waits a few times a second, when it brings new rows or looks at the clock.
#include <chrono>
#include <limits>

#include "core/trainer_state.h"

namespace pyseq {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{16} << 20;  // of rows that are copied ahead
constexpr double kGroupSeconds = 0.02;  // enqueued before the host waits

// Device memory that grows.
class Buffer {
 public:
  explicit Buffer(const DeviceTable& device) : device_(device) {}
  bool holds(std::size_t bytes) const { return arena_ && arena_->bytes() >= bytes; }
  // True if the memory moved.
  bool reserve(std::size_t bytes) {
    if (holds(bytes)) return false;
    arena_.reset();
    arena_ = std::make_unique<Arena>(bytes, &device_);
    return true;
  }
  void free() { arena_.reset(); }
  std::byte* data() const { return arena_ ? arena_->data() : nullptr; }

 private:
  const DeviceTable& device_;
  std::unique_ptr<Arena> arena_;
};

class HostBuffer {
 public:
  explicit HostBuffer(const DeviceTable& device) : device_(device) {}
  HostBuffer(const HostBuffer&) = delete;
  HostBuffer& operator=(const HostBuffer&) = delete;
  ~HostBuffer() { release(); }
  std::byte* reserve(std::size_t bytes) {
    if (bytes > bytes_) {
      release();
      data_ = device_.allocate_host(bytes);
      bytes_ = bytes;
    }
    return static_cast<std::byte*>(data_);
  }

 private:
  void release() {
    if (data_) device_.release_host(data_);
    data_ = nullptr;
    bytes_ = 0;
  }
  const DeviceTable& device_;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

std::size_t row_bytes(const Rows& r) {
  return r.data ? static_cast<std::size_t>(r.row) * size_of(r.dtype) : 0;
}

// Where the rows of a step come from.
struct Source {
  const void *x = nullptr, *y = nullptr, *weights = nullptr;
  const std::int64_t* order = nullptr;
};

// One optimizer's share of the variables.
struct Group {
  std::vector<DeviceSegment> segments;
  std::vector<DevicePiece> pieces;
  std::vector<float*> accumulator, average;  // of each segment, or null
  std::vector<int> parameter;
  Buffer memory;  // segments, pieces, clipping factors
  explicit Group(const DeviceTable& device) : memory(device) {}
};

bool same(const std::vector<DeviceSegment>& a, const std::vector<DeviceSegment>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(DeviceSegment)) == 0);
}

using StepKey =
    std::tuple<std::int64_t, const void*, const void*, const void*, const void*, const void*, const void*, int>;

struct Step {
  int runs = 0;
  DeviceGraph* graph = nullptr;
  bool capturable = true;
};

}  // namespace

struct DeviceRun {
  const DeviceTable& device;
  std::map<StepKey, Step> steps;
  Buffer totals;  // doubles: loss, then (total, count) of the loss and each metric; ints: skip
  Buffer rates, order, chunk[2];
  Buffer predictions;  // of one batch: the step itself uses the memory of its output again
  HostBuffer staging[2];
  std::vector<std::unique_ptr<Group>> groups;
  // Arrays that stay: what the caller holds, and the copies.
  Rows held_x, held_y, held_weights;
  std::int64_t held_rows = 0;
  Buffer held;

  explicit DeviceRun(const DeviceTable& d)
      : device(d),
        totals(d),
        rates(d),
        order(d),
        chunk{Buffer(d), Buffer(d)},
        predictions(d),
        staging{HostBuffer(d), HostBuffer(d)},
        held(d) {}
  ~DeviceRun() { forget(); }
  void forget() {
    for (auto& [key, step] : steps) device.destroy(step.graph);
    steps.clear();
  }
};

void DeviceRunDeleter::operator()(DeviceRun* run) const { delete run; }

void Trainer::State::forget_device_steps() {
  if (device) device->forget();
}

namespace {

// The enqueueing of one run.
class DeviceSteps {
 public:
  DeviceSteps(Trainer::State& state, const Program& program, const BatchRun& run)
      : s_(state),
        program_(program),
        r_(run),
        run_(*state.device),
        device_(*state.table->device),
        stream_(state.executor->stream()) {}

  std::int64_t run(std::vector<Total>& totals);

 private:
  using Clock = std::chrono::steady_clock;

  double* loss() const { return reinterpret_cast<double*>(run_.totals.data()); }
  double* total(std::size_t k) const { return loss() + 1 + 2 * k; }
  int* skip(std::size_t optimizer) const {
    return reinterpret_cast<int*>(loss() + 3 + 2 * s_.metrics.size()) + optimizer;
  }

  void bind_parameters();
  void start();
  bool is_held() const;
  std::int64_t run_held(std::int64_t batches);
  std::int64_t run_streamed(std::int64_t batches);
  std::int64_t rows_of(std::int64_t batch) const {
    return std::min(r_.batch_size, r_.end - r_.begin - batch * r_.batch_size);
  }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - started_).count(); }
  std::size_t prediction_bytes(std::int64_t n) const {
    const Dims& shape = program_.spec().slots[program_.spec().outputs[0]];
    return r_.predictions ? static_cast<std::size_t>(elements(shape) * n) * s_.real : 0;
  }
  std::byte* predictions() const { return r_.predictions ? run_.predictions.data() : nullptr; }
  void step(const Source& source, std::int64_t batch);
  void enqueue(const Source& source, std::int64_t n);
  const float* gather(const Rows& rows, const void* from, const std::int64_t* order, std::int64_t n,
                      void* to);
  void evaluate(Measure& m, std::int64_t n, const float* y, const float* weights, bool as_loss,
                double* total, double* count);
  void penalties();
  void update();
  DeviceUpdates updates(std::size_t optimizer) const;
  const double* clip(std::size_t optimizer, const DeviceUpdates& u);

  Trainer::State& s_;
  const Program& program_;
  const BatchRun& r_;
  DeviceRun& run_;
  const DeviceTable& device_;
  Stream* stream_;
  Clock::time_point started_ = Clock::now();
};

// Variables move when they were on another device; then everything that points to them is made anew.
void DeviceSteps::bind_parameters() {
  run_.groups.resize(s_.spec.optimizers.size());
  for (std::size_t o = 0; o < run_.groups.size(); ++o) {
    const OptimizerSpec& os = s_.spec.optimizers[o];
    auto fresh = std::make_unique<Group>(device_);
    for (std::size_t i = 0; i < s_.spec.parameters.size(); ++i) {
      const ParameterSpec& p = s_.spec.parameters[i];
      if (p.optimizer != static_cast<int>(o)) continue;
      const auto bring = [&](const VariablePtr& v) {
        return v ? static_cast<float*>(v->on_device(device_, true)) : nullptr;
      };
      Variable& v = *s_.variables[p.variable];
      // Compared byte by byte: the padding must be 0.
      DeviceSegment segment;
      std::memset(static_cast<void*>(&segment), 0, sizeof segment);
      segment.w = static_cast<float*>(v.on_device(device_, true));
      segment.n = v.size();
      segment.shape = to_shape(v.shape(), "variable");
      segment.weight_decay = p.decay ? os.weight_decay : 0.0;
      for (std::size_t k = 0; k < p.slots.size(); ++k) {
        segment.slot[k] = bring(p.slots[k]);
        segment.slot_size[k] = p.slots[k]->size();
      }
      float* accumulator = bring(p.accumulator);
      segment.g = accumulator ? accumulator : static_cast<const float*>(s_.executor->gradient(p.variable));
      const auto number = static_cast<std::int32_t>(fresh->segments.size());
      for (Index b = 0; b < segment.n; b += kUpdatePiece)
        fresh->pieces.push_back({number, b, std::min(kUpdatePiece, segment.n - b)});
      fresh->segments.push_back(segment);
      fresh->accumulator.push_back(accumulator);
      fresh->average.push_back(bring(p.average));
      fresh->parameter.push_back(static_cast<int>(i));
    }
    std::unique_ptr<Group>& known = run_.groups[o];
    if (known && same(known->segments, fresh->segments) && known->average == fresh->average) continue;
    const std::size_t segments = round_up(fresh->segments.size() * sizeof(DeviceSegment));
    const std::size_t pieces = round_up(fresh->pieces.size() * sizeof(DevicePiece));
    fresh->memory.reserve(segments + pieces + fresh->segments.size() * sizeof(double));
    run_.forget();
    known = std::move(fresh);
    device_.upload(stream_, known->memory.data(), known->segments.data(),
                   known->segments.size() * sizeof(DeviceSegment));
    device_.upload(stream_, known->memory.data() + segments, known->pieces.data(),
                   known->pieces.size() * sizeof(DevicePiece));
  }
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

bool DeviceSteps::is_held() const {
  return run_.held_rows > 0 && run_.held_x.data == r_.x.data && run_.held_y.data == r_.y.data &&
         run_.held_weights.data == r_.weights.data;
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

std::int64_t DeviceSteps::run_held(std::int64_t batches) {
  Source source;
  std::byte* at = run_.held.data();
  const auto next = [&](const Rows& rows) -> const void* {
    if (!rows.data) return nullptr;
    const std::byte* here = at;
    at += round_up(row_bytes(rows) * static_cast<std::size_t>(run_.held_rows));
    return here;
  };
  source.x = next(r_.x);
  source.y = next(r_.y);
  source.weights = next(r_.weights);
  std::int64_t first = r_.begin;
  if (r_.order) {
    const std::size_t bytes = static_cast<std::size_t>(r_.end - r_.begin) * sizeof(std::int64_t);
    if (run_.order.reserve(bytes)) run_.forget();
    device_.upload(stream_, run_.order.data(), r_.order + r_.begin, bytes);
    source.order = reinterpret_cast<const std::int64_t*>(run_.order.data());
    first = 0;
  }
  const StepState state{r_.step, r_.iteration, 0, first};
  device_.upload(stream_, device_.state(stream_), &state, sizeof state);
  std::int64_t done = 0, group = 1;
  while (done < batches) {
    const double before = seconds();
    const std::int64_t until = std::min(batches, done + group);
    for (; done < until; ++done) step(source, done);
    device_.wait(stream_);
    if (seconds() > r_.max_seconds) break;
    if (seconds() - before < kGroupSeconds / 2) group *= 2;
  }
  return done;
}

std::int64_t DeviceSteps::run_streamed(std::int64_t batches) {
  const std::size_t bytes = row_bytes(r_.x) + row_bytes(r_.y) + row_bytes(r_.weights);
  const auto batch_bytes = bytes * static_cast<std::size_t>(r_.batch_size);
  const auto most = static_cast<std::int64_t>(std::max<std::size_t>(1, kChunkBytes / std::max<std::size_t>(1, batch_bytes)));
  std::int64_t done = 0, group = 1;
  for (int turn = 0; done < batches; turn = 1 - turn) {
    const double before = seconds();
    const std::int64_t until = std::min({batches, done + group, done + most});
    const std::int64_t first = r_.begin + done * r_.batch_size;
    const std::int64_t rows = std::min(r_.end, r_.begin + until * r_.batch_size) - first;
    device_.wait_filled(stream_, turn);
    const std::size_t room = bytes * static_cast<std::size_t>(rows) + 3 * 64;
    std::byte* const host = run_.staging[turn].reserve(room);
    if (run_.chunk[turn].reserve(room)) run_.forget();
    std::byte* const target = run_.chunk[turn].data();
    std::size_t at = 0;
    const auto take = [&](const Rows& from) -> const void* {
      if (!from.data) return nullptr;
      const std::size_t width = row_bytes(from), here = at;
      const auto* data = static_cast<const std::byte*>(from.data);
      for (std::int64_t i = 0; i < rows; ++i) {
        const std::int64_t row = r_.order ? r_.order[first + i] : first + i;
        std::memcpy(host + at + static_cast<std::size_t>(i) * width,
                    data + static_cast<std::size_t>(row) * width, width);
      }
      at = round_up(at + width * static_cast<std::size_t>(rows));
      return target + here;
    };
    Source source;
    source.x = take(r_.x);
    source.y = take(r_.y);
    source.weights = take(r_.weights);
    device_.upload_ahead(stream_, turn, target, host, at);
    const StepState state{r_.step + static_cast<std::uint64_t>(done), r_.iteration + done, done, 0};
    device_.upload(stream_, device_.state(stream_), &state, sizeof state);
    for (; done < until; ++done) step(source, done);
    device_.mark_used(stream_, turn);
    if (r_.max_seconds < 1e9) {
      device_.wait(stream_);
      if (seconds() > r_.max_seconds) break;
    }
    if (seconds() - before < kGroupSeconds / 2) group *= 2;
  }
  device_.wait(stream_);
  return done;
}

void DeviceSteps::step(const Source& source, std::int64_t batch) {
  const std::int64_t n = rows_of(batch);
  const std::byte* first = run_.rates.data();
  Step& known = run_.steps[{n, source.x, source.y, source.weights, source.order, first, predictions(),
                            matmul_precision()}];
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

const float* DeviceSteps::gather(const Rows& rows, const void* from, const std::int64_t* order,
                                 std::int64_t n, void* to) {
  if (!from) return nullptr;
  device_.gather(stream_, {from, rows.dtype, rows.row, order, n, static_cast<float*>(to)});
  return static_cast<const float*>(to);
}

void DeviceSteps::enqueue(const Source& source, std::int64_t n) {
  const void* x = gather(r_.x, source.x, source.order, n, s_.x);
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
  penalties();
  if (s_.trains) update();
  device_.finish_step(stream_, loss(), s_.executor->device_losses(), s_.executor->ops(), n, total(0));
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

void DeviceSteps::penalties() {
  for (const ParameterSpec& p : s_.spec.parameters) {
    const PenaltySpec& q = p.penalty;
    if (q.l1 == 0 && q.l2 == 0 && q.orthogonal == 0) continue;
    Variable& v = *s_.variables[p.variable];
    device_.penalty(stream_, {q.l1, q.l2, q.orthogonal, q.rows, to_shape(v.shape(), "variable"),
                              static_cast<const float*>(v.on_device(device_, false)),
                              s_.trains ? static_cast<float*>(s_.executor->gradient(p.variable)) : nullptr,
                              loss()});
  }
}

DeviceUpdates DeviceSteps::updates(std::size_t o) const {
  const OptimizerSpec& os = s_.spec.optimizers[o];
  const Group& group = *run_.groups[o];
  const std::size_t segments = round_up(group.segments.size() * sizeof(DeviceSegment));
  DeviceUpdates u{};
  u.segments = group.segments.data();
  u.device_segments = reinterpret_cast<const DeviceSegment*>(group.memory.data());
  u.count = static_cast<int>(group.segments.size());
  u.pieces = reinterpret_cast<const DevicePiece*>(group.memory.data() + segments);
  u.piece_count = static_cast<int>(group.pieces.size());
  u.grad_scale = 1.0 / (os.loss_scale * static_cast<double>(std::max<std::int64_t>(os.accumulation_steps, 1)));
  u.clip = os.clip_value > 0 ? os.clip_value : std::numeric_limits<double>::infinity();
  u.lr = reinterpret_cast<const double*>(run_.rates.data()) + o;
  u.lr_stride = static_cast<Index>(s_.spec.optimizers.size());
  u.accumulation_steps = std::max<std::int64_t>(os.accumulation_steps, 1);
  u.skip = os.skip_non_finite ? skip(o) : nullptr;
  u.state = device_.state(stream_);
  u.config_ = s_.optimizer_states[o].config.get();
  u.scratch = reinterpret_cast<float*>(s_.optimizer_scratch[o]->data());
  return u;
}

const double* DeviceSteps::clip(std::size_t o, const DeviceUpdates& u) {
  const OptimizerSpec& os = s_.spec.optimizers[o];
  if (os.clip_norm <= 0 && os.global_clip_norm <= 0) return nullptr;
  const Group& group = *run_.groups[o];
  auto* scale = reinterpret_cast<double*>(group.memory.data() +
                                          round_up(group.segments.size() * sizeof(DeviceSegment)) +
                                          round_up(group.pieces.size() * sizeof(DevicePiece)));
  device_.clip_norms(stream_, u, os.clip_norm, os.global_clip_norm, scale);
  return scale;
}

void DeviceSteps::update() {
  for (std::size_t o = 0; o < s_.spec.optimizers.size(); ++o) {
    const OptimizerSpec& os = s_.spec.optimizers[o];
    const Group& group = *run_.groups[o];
    if (group.segments.empty()) continue;
    DeviceUpdates u = updates(o);
    const auto gradient = [&](std::size_t i) {
      return static_cast<const float*>(s_.executor->gradient(s_.spec.parameters[group.parameter[i]].variable));
    };
    if (os.skip_non_finite) {
      device_.zero(stream_, skip(o), sizeof(int));
      for (std::size_t i = 0; i < group.segments.size(); ++i)
        device_.find_non_finite(stream_, gradient(i), group.segments[i].n, skip(o));
    }
    for (std::size_t i = 0; i < group.segments.size(); ++i)
      if (group.accumulator[i])
        device_.accumulate(stream_, u, gradient(i), group.accumulator[i], group.segments[i].n);
    u.scale = clip(o, u);
    s_.device_optimizers[o]->update(stream_, u);
    for (std::size_t i = 0; i < group.segments.size(); ++i) {
      const DeviceSegment& segment = group.segments[i];
      if (group.accumulator[i]) device_.reset_accumulator(stream_, u, group.accumulator[i], segment.n);
      if (os.ema_momentum > 0 && group.average[i])
        device_.average(stream_, u, os.ema_momentum, os.ema_overwrite_frequency, segment.w,
                        group.average[i], segment.n);
      const ConstraintSpec& c = s_.spec.parameters[group.parameter[i]].constraint;
      if (c.kind.empty()) continue;
      DeviceConstraint d{};
      d.kind = constraint_kind(c.kind);
      d.min_value = c.min_value;
      d.max_value = c.max_value;
      d.rate = c.rate;
      for (const int axis : c.axes)
        if (d.axis_count < kMaxRank) d.axes[d.axis_count++] = axis;
      d.shape = segment.shape;
      d.w = segment.w;
      device_.constrain(stream_, d);
    }
  }
}

}  // namespace

std::int64_t Trainer::State::run_on_device(const Program& program, const BatchRun& r,
                                           std::vector<Total>& totals) {
  if (!device) device.reset(new DeviceRun(*table->device));
  return DeviceSteps(*this, program, r).run(totals);
}

bool Trainer::hold(const Rows& x, const Rows& y, const Rows& weights, std::int64_t rows) {
  const DeviceTable* device = state_->table->device;
  if (!device || !x.data || rows <= 0) return false;
  std::size_t bytes = 0;
  for (const Rows* r : {&x, &y, &weights}) bytes += round_up(row_bytes(*r) * static_cast<std::size_t>(rows));
  if (!state_->device) state_->device.reset(new DeviceRun(*device));
  DeviceRun& run = *state_->device;
  run.held_rows = 0;
  if (!run.held.holds(bytes)) {
    release();
    if (bytes > device->free_bytes() / 2) return false;
    run.held.reserve(bytes);
  }
  Stream* stream = device->open(true);
  try {
    std::byte* at = run.held.data();
    for (const Rows* r : {&x, &y, &weights}) {
      if (!r->data) continue;
      const std::size_t n = row_bytes(*r) * static_cast<std::size_t>(rows);
      device->upload(stream, at, r->data, n);
      at += round_up(n);
    }
    device->wait(stream);
  } catch (...) {
    device->close(stream);
    throw;
  }
  device->close(stream);
  run.held_x = x;
  run.held_y = y;
  run.held_weights = weights;
  run.held_rows = rows;
  return true;
}

void Trainer::release() {
  if (!state_->device) return;
  state_->device->forget();
  state_->device->held_rows = 0;
  state_->device->held.free();
}

}  // namespace pyseq
