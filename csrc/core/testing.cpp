#include "core/testing.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/executor.h"

namespace pyseq {
namespace {

Dims with_batch(std::int64_t n, const Dims& shape) {
  Dims d{n};
  d.insert(d.end(), shape.begin(), shape.end());
  return d;
}

VariablePtr copy_of(const void* data, const Dims& shape, DType dtype) {
  auto v = std::make_shared<Variable>(shape, dtype);
  if (data && v->bytes()) std::memcpy(v->data(), data, v->bytes());
  return v;
}

DType dtype_of(const KernelTable& table) {
  return table.real_size == 8 ? DType::float64 : DType::float32;
}

struct Scratch {
  std::vector<std::unique_ptr<Arena>> arenas;
  std::vector<void*> pointers;
  std::vector<Index> strides;

  Scratch(const PlanState& state, std::int64_t n, std::size_t real, int workers,
          const DeviceTable* device = nullptr) {
    for (const Booking& b : state.scratch) {
      const std::size_t own = round_up(static_cast<std::size_t>(b.per_worker) * real);
      arenas.push_back(std::make_unique<Arena>(
          round_up(buffer_bytes(b, static_cast<std::size_t>(n), real, state.where)) +
          own * static_cast<std::size_t>(workers), device));
      pointers.push_back(arenas.back()->data());
      strides.push_back(static_cast<Index>(own));
    }
  }
};

// Memory of a device for one call.
class Workbench {
 public:
  explicit Workbench(const DeviceTable& device) : device_(device), stream_(device.open(false)) {}
  ~Workbench() { device_.close(stream_); }
  Workbench(const Workbench&) = delete;
  Workbench& operator=(const Workbench&) = delete;
  DeviceStream* stream() const { return stream_; }
  void* room(std::size_t bytes) {
    arenas_.push_back(std::make_unique<Arena>(bytes, &device_));
    return arenas_.back()->data();
  }
  void* bring(const void* from, std::size_t bytes) {
    if (!from) return nullptr;
    void* to = room(bytes);
    device_.upload(stream_, to, from, bytes);
    return to;
  }
  void fetch(void* to, const void* from, std::size_t bytes) { device_.download(stream_, to, from, bytes); }

 private:
  const DeviceTable& device_;
  DeviceStream* stream_;
  std::vector<std::unique_ptr<Arena>> arenas_;
};

void run_optimizer_on_device(const OptimizerRun& r, const DeviceTable& device) {
  const DeviceOptimizerDef* def = find_optimizer(device, r.kind.c_str());
  if (!def) throw Error("run_optimizer: expected an optimizer of this library, got `" + r.kind + "`");
  PlanState state;
  state.where = "optimizer " + r.kind;
  state.attributes = &r.attributes;
  Shape largest;
  largest.push(r.variable->size());
  state.inputs = {largest};
  state.reads_input.resize(1);
  Plan plan(state);
  def->plan(plan);
  Workbench work(device);
  std::size_t scratch = 0;
  for (const Booking& b : state.scratch)
    scratch += round_up(buffer_bytes(b, 1, sizeof(float), state.where));
  DeviceSegment segment{};
  segment.w = static_cast<float*>(on_device(*r.variable, device, true));
  segment.g = static_cast<const float*>(work.bring(r.gradient, r.variable->bytes()));
  for (std::size_t k = 0; k < r.slots.size() && k < kMaxSlots; ++k) {
    segment.slot[k] = static_cast<float*>(on_device(*r.slots[k], device, true));
    segment.slot_size[k] = r.slots[k]->size();
  }
  segment.n = r.variable->size();
  segment.shape = to_shape(r.variable->shape(), "variable");
  segment.weight_decay = r.lr != 0 ? r.decay / r.lr : 0;
  const DevicePiece piece{0, 0, segment.n};
  const StepState step{0, r.t - 1, 0, 0};
  device.upload(work.stream(), device.state(work.stream()), &step, sizeof step);
  DeviceUpdates u{};
  u.segments = &segment;
  u.device_segments = static_cast<const DeviceSegment*>(work.bring(&segment, sizeof segment));
  u.count = u.piece_count = 1;
  u.pieces = static_cast<const DevicePiece*>(work.bring(&piece, sizeof piece));
  u.grad_scale = r.grad_scale;
  u.clip = r.clip > 0 ? r.clip : std::numeric_limits<double>::infinity();
  u.lr = static_cast<const double*>(work.bring(&r.lr, sizeof r.lr));
  u.lr_stride = u.accumulation_steps = 1;
  u.state = device.state(work.stream());
  u.config_ = state.config.get();
  u.scratch = static_cast<float*>(work.room(scratch));
  def->update(work.stream(), u);
  device.wait(work.stream());
}

}  // namespace

OpResult run_op(const OpRun& r, const char* isa) {
  const DType dtype = dtype_of(kernel_table(isa));
  ProgramSpec spec;
  spec.dtype = dtype;
  spec.training = r.training;
  OpSpec op = r.op;
  op.name = op.kind;
  const auto slot = [&](const Dims& shape) {
    spec.slots.push_back(shape);
    return static_cast<int>(spec.slots.size()) - 1;
  };
  for (const Dims& d : r.input_shapes) op.inputs.push_back(slot(d));
  for (const Dims& d : r.output_shapes) op.outputs.push_back(slot(d));
  for (std::size_t i = 0; i < r.params.size(); ++i) {
    op.params.push_back(static_cast<int>(i));
    spec.variables.push_back({"param", r.params[i]->shape(), true});
  }
  spec.inputs = op.inputs;
  spec.outputs = op.outputs;
  spec.ops = {op};
  const Program program(spec, {}, isa);
  ExecutorOptions options;
  options.max_rows = r.n;
  options.backward = !r.seeds.empty();
  options.input_gradients = options.backward;
  options.trainable.assign(r.params.size(), options.backward);
  if (options.backward) options.seed_slots = op.outputs;
  Executor executor(program, r.params, options);
  const int threads =
      program.table().device ? 1 : std::min(threads_for(executor.work(r.n)), executor.workers());
  OpResult result;
  std::vector<VariablePtr> inputs;  // with slack-free copies, so that overruns show under sanitizers
  std::vector<const void*> pointers;
  const DeviceTable* device = program.table().device;
  for (std::size_t i = 0; i < r.inputs.size(); ++i) {
    inputs.push_back(copy_of(r.inputs[i], with_batch(r.n, r.input_shapes[i]), dtype));
    pointers.push_back(inputs.back()->data());
    if (!device) continue;
    device->upload(executor.stream(), executor.input(static_cast<int>(i)), pointers.back(),
                   inputs.back()->bytes());
    pointers.back() = executor.input(static_cast<int>(i));
  }
  if (device) {
    const StepState state{r.step, 0, 0, 0};
    device->upload(executor.stream(), device->state(executor.stream()), &state, sizeof state);
  }
  const auto fetch = [&](const void* from, const Dims& shape) {
    if (!device) return copy_of(from, shape, dtype);
    auto v = std::make_shared<Variable>(shape, dtype);
    if (from && v->bytes()) device->download(executor.stream(), v->data(), from, v->bytes());
    return v;
  };
  with_team(threads, [&](Pool* pool) {
    executor.begin(pool, false);
    executor.forward(pool, r.n, pointers.data(), r.training, r.step);
    if (!options.backward) executor.finish(pool, r.n);
    executor.end();
    for (std::size_t i = 0; i < op.outputs.size(); ++i)
      result.outputs.push_back(fetch(executor.slot(op.outputs[i]), with_batch(r.n, r.output_shapes[i])));
    if (!options.backward) return;
    for (std::size_t i = 0; i < op.outputs.size(); ++i) {
      void* to = executor.gradient_of_slot(op.outputs[i]);
      const std::size_t bytes = result.outputs[i]->bytes();
      if (device) device->upload(executor.stream(), to, r.seeds[i], bytes);
      else std::memcpy(to, r.seeds[i], bytes);
    }
    executor.backward(pool, r.n, r.step);
    for (std::size_t i = 0; i < op.inputs.size(); ++i)
      result.input_gradients.push_back(
          fetch(executor.gradient_of_slot(op.inputs[i]), with_batch(r.n, r.input_shapes[i])));
    for (std::size_t i = 0; i < r.params.size(); ++i)
      result.param_gradients.push_back(
          fetch(executor.gradient(static_cast<int>(i)), r.params[i]->shape()));
  });
  if (device) device->download(executor.stream(), &result.loss, executor.device_losses(), sizeof(double));
  else result.loss = executor.added_loss();
  if (const std::exception_ptr error = executor.take_error()) std::rethrow_exception(error);
  return result;
}

LossResult run_loss(const std::string& kind, const Attributes& attributes, const Dims& pred_shape,
                    const Dims& target_shape, std::int64_t n, const void* pred, const void* target,
                    const void* scale, bool want_gradient, const char* isa) {
  const KernelTable& table = kernel_table(isa);
  const DType dtype = dtype_of(table);
  const OpDef* def = find_loss(table, kind.c_str());
  if (!def) throw Error("run_loss: expected a loss or metric of this library, got `" + kind + "`");
  PlanState state;
  state.kind = def->kind;
  state.where = kind;
  state.attributes = &attributes;
  state.training = want_gradient;
  state.inputs = {to_shape(pred_shape, kind), to_shape(target_shape, kind), Shape{}};
  state.reads_input.resize(3);
  state.reads_output.resize(1);
  Plan plan(state);
  def->plan(plan);
  Dims rows{n};
  for (int i = 0; i < state.outputs.at(0).rank; ++i) rows.push_back(state.outputs[0][i]);
  LossResult result;
  result.values = std::make_shared<Variable>(rows, dtype);
  if (want_gradient) result.gradient = std::make_shared<Variable>(with_batch(n, pred_shape), dtype);
  const int workers = num_threads();
  const Scratch scratch(state, n, table.real_size, workers, table.device);
  void* x[3] = {const_cast<void*>(pred), const_cast<void*>(target), const_cast<void*>(scale)};
  void* y[1] = {result.values->data()};
  void* dx[3] = {want_gradient ? result.gradient->data() : nullptr, nullptr, nullptr};
  std::unique_ptr<Workbench> work;
  if (table.device) {
    std::int64_t scales = n;
    for (int i = 0; i < state.outputs[0].rank; ++i) scales *= state.outputs[0][i];
    work = std::make_unique<Workbench>(*table.device);
    x[0] = work->bring(pred, static_cast<std::size_t>(n * state.inputs[0].size()) * sizeof(float));
    x[1] = work->bring(target, static_cast<std::size_t>(n * state.inputs[1].size()) * sizeof(float));
    x[2] = work->bring(scale, static_cast<std::size_t>(scales) * sizeof(float));
    y[0] = work->room(result.values->bytes());
    if (want_gradient) dx[0] = work->room(result.gradient->bytes());
  }
  Run run{};
  run.n = n;
  run.stream = work ? work->stream() : nullptr;
  run.config_ = state.config.get();
  run.x_ = x;
  run.y_ = y;
  run.dx_ = dx;
  run.scratch_ = scratch.pointers.data();
  run.worker_stride_ = scratch.strides.data();
  run.training = want_gradient;
  if (work) {
    def->forward(run);
    work->fetch(result.values->data(), y[0], result.values->bytes());
    if (want_gradient) work->fetch(result.gradient->data(), dx[0], result.gradient->bytes());
    return result;
  }
  with_team(workers, [&](Pool* pool) {
    run.pool = pool;
    def->forward(run);
  });
  return result;
}

void run_optimizer(const OptimizerRun& r, const char* isa) {
  const KernelTable& table = kernel_table(isa);
  if (table.device) return run_optimizer_on_device(r, *table.device);
  const OptimizerDef* def = find_optimizer(table, r.kind.c_str());
  if (!def) throw Error("run_optimizer: expected an optimizer of this library, got `" + r.kind + "`");
  PlanState state;
  state.where = "optimizer " + r.kind;
  state.attributes = &r.attributes;
  Shape largest;
  largest.push(r.variable->size());
  state.inputs = {largest};
  state.reads_input.resize(1);
  Plan plan(state);
  def->plan(plan);
  check_slots(state, *r.variable, r.slots);
  const Scratch scratch(state, 1, table.real_size, 1);
  Update u{};
  u.n = r.variable->size();
  u.w = r.variable->data();
  u.g = r.gradient;
  for (std::size_t k = 0; k < r.slots.size() && k < kMaxSlots; ++k) {
    u.slot[k] = r.slots[k]->data();
    u.slot_size[k] = r.slots[k]->size();
  }
  u.shape = to_shape(r.variable->shape(), "variable");
  u.grad_scale = r.grad_scale;
  u.clip = r.clip > 0 ? r.clip : std::numeric_limits<double>::infinity();
  u.decay = r.decay;
  u.lr = r.lr;
  u.t = r.t;
  u.config_ = state.config.get();
  u.scratch = scratch.pointers.empty() ? nullptr : scratch.pointers[0];
  def->update(u);
}

}  // namespace pyseq
