#include <cstring>
#include <mutex>

#include "bindings.h"

namespace pyseq::python {
namespace {

// A trainer computes without the GIL, one run at a time: calls from other threads wait. The same thread may
// come again, from a Python function inside a run.
struct LockedTrainer {
  LockedTrainer(const std::shared_ptr<Program>& program, const std::vector<VariablePtr>& variables, TrainerSpec spec)
      : trainer(program, variables, std::move(spec)) {}

  // Who waits lets other threads have the GIL: the one inside may need it.
  std::unique_lock<std::recursive_mutex> lock() {
    std::unique_lock<std::recursive_mutex> held(mutex, std::try_to_lock);
    if (!held) {
      const py::gil_scoped_release release;
      held.lock();
    }
    return held;
  }

  Trainer trainer;
  std::recursive_mutex mutex;
};

template <class R, class... Args>
auto locked(R (Trainer::*method)(Args...)) {
  return [method](LockedTrainer& t, Args... args) -> R {
    const auto lock = t.lock();
    return (t.trainer.*method)(args...);
  };
}
template <class R>
auto locked(R (Trainer::*method)() const) {
  return [method](LockedTrainer& t) -> R {
    const auto lock = t.lock();
    return (t.trainer.*method)();
  };
}

template <class T>
T get(const py::dict& d, const char* key, T otherwise) {
  return d.contains(key) ? d[key].cast<T>() : otherwise;
}

Reduction to_reduction(const std::string& s) {
  if (s == "sum") return Reduction::sum;
  if (s == "mean_with_sample_weight") return Reduction::mean_with_sample_weight;
  if (s == "sum_over_batch_size" || s == "mean") return Reduction::sum_over_batch_size;
  throw py::value_error("loss: expected a reduction that gives one number, got " + s);
}

// Without NumPy's names, which take it ten microseconds.
DType dtype_of(const py::array& a) {
  const py::dtype dtype = a.dtype();
  const char kind = dtype.kind();
  const auto size = dtype.itemsize();
  const bool native = dtype.byteorder() == '=' || dtype.byteorder() == '|';
  if (native && kind == 'f' && size == 4) return DType::float32;
  if (native && kind == 'f' && size == 8) return DType::float64;
  if (native && kind == 'i' && size == 4) return DType::int32;
  if (native && kind == 'i' && size == 8) return DType::int64;
  if (native && kind == 'u' && size == 1) return DType::uint8;
  return dtype_from(py::str(dtype).cast<std::string>());
}

Rows to_rows(const py::object& object, std::vector<py::array>& held) {
  Rows rows;
  if (object.is_none()) return rows;
  held.push_back(object.cast<py::array>());
  const py::array& a = held.back();
  if (!(a.flags() & py::array::c_style) || a.ndim() < 1)
    throw py::value_error("Trainer: expected C-contiguous arrays");
  rows.data = a.data();
  rows.dtype = dtype_of(a);
  rows.row = a.shape(0) ? static_cast<std::int64_t>(a.size() / a.shape(0)) : 0;
  return rows;
}

// Sums over processes by a Python object with `sum(float64 array)`, `start_sum(array, row)` and
// `finish_sums()`; the arrays are the core's memory.
class PythonGroup : public ProcessGroup {
 public:
  explicit PythonGroup(py::object group) : group_(std::move(group)) {}
  void sum(double* values, std::int64_t n) override {
    const py::gil_scoped_acquire gil;
    group_.attr("sum")(view(values, n, py::dtype::of<double>()));
  }
  void start_sum(void* values, std::int64_t n, DType dtype, std::int64_t row) override {
    const py::gil_scoped_acquire gil;
    group_.attr("start_sum")(view(values, n, py::dtype(name_of(dtype))), row);
  }
  void finish_sums() override {
    const py::gil_scoped_acquire gil;
    group_.attr("finish_sums")();
  }

 private:
  static py::array view(void* values, std::int64_t n, const py::dtype& dtype) {
    return py::array(dtype, {n}, {static_cast<std::int64_t>(dtype.itemsize())}, values, py::capsule(values, [](void*) {}));
  }
  py::object group_;
};

std::int64_t trainer_run(LockedTrainer& shared, const py::object& x, const py::object& y, const py::object& weights,
                         const py::object& order, std::int64_t begin, std::int64_t end,
                         std::int64_t batch_size, std::int64_t max_batches, double max_seconds,
                         const py::array_t<double, py::array::c_style>& learning_rates,
                         std::int64_t iteration, std::uint64_t step, const py::object& predictions,
                         const py::object& group, const py::object& shares) {
  std::vector<py::array> held;
  BatchRun r;
  r.x = to_rows(x, held);
  r.y = to_rows(y, held);
  r.weights = to_rows(weights, held);
  const std::int64_t rows = x.cast<py::array>().shape(0);
  for (const py::object* o : {&y, &weights})
    if (!o->is_none() && o->cast<py::array>().shape(0) != rows)
      throw py::value_error("Trainer: expected x, y and weights of as many rows as each other");
  std::int64_t limit = rows;
  py::array_t<std::int64_t, py::array::c_style> indices;
  if (!order.is_none()) {
    indices = order.cast<py::array_t<std::int64_t, py::array::c_style>>();
    r.order = indices.data();
    limit = indices.size();
  }
  if (begin < 0 || end > limit || begin > end)
    throw py::value_error("Trainer: expected 0 <= begin <= end <= rows");
  for (std::int64_t i = begin; r.order && i < end; ++i)
    if (r.order[i] < 0 || r.order[i] >= rows) throw py::value_error("Trainer: row number out of range");
  r.begin = begin;
  r.end = end;
  r.batch_size = batch_size;
  r.max_batches = max_batches;
  r.max_seconds = max_seconds;
  std::int64_t batches =
      std::min<std::int64_t>(max_batches, (end - begin + batch_size - 1) / std::max<std::int64_t>(batch_size, 1));
  PythonGroup processes(group);
  py::array_t<std::int64_t, py::array::c_style> own_and_all;
  std::vector<Share> of_batches;
  if (!group.is_none()) {
    own_and_all = shares.cast<py::array_t<std::int64_t, py::array::c_style>>();
    if (own_and_all.ndim() != 2 || own_and_all.shape(0) < max_batches || own_and_all.shape(1) != 2)
      throw py::value_error("Trainer: expected shares (batches, 2)");
    batches = max_batches;
    for (std::int64_t i = 0; i < batches; ++i) of_batches.push_back({own_and_all.at(i, 0), own_and_all.at(i, 1)});
    r.group = &processes;
    r.shares = of_batches.data();
  }
  r.learning_rates = learning_rates.data();
  r.iteration = iteration;
  r.step = step;
  if (learning_rates.size() > 0 && learning_rates.size() < batches)
    throw py::value_error("Trainer: expected a learning rate for each batch");
  const auto lock = shared.lock();
  Trainer& trainer = shared.trainer;
  py::array out;
  if (!predictions.is_none()) {
    out = predictions.cast<py::array>();
    const ProgramSpec& spec = trainer.program().spec();
    check_rows(out, spec.slots[spec.outputs[0]], slot_dtype(spec, spec.outputs[0]), "Trainer");
    if (out.shape(0) < end - begin) throw py::value_error("Trainer: expected room for all predictions");
    r.predictions = out.mutable_data();
  }
  const py::gil_scoped_release release;
  return trainer.run(r);
}

}  // namespace

TrainerSpec to_trainer(const py::dict& d) {
  TrainerSpec spec;
  spec.target = d["target"].cast<Dims>();
  spec.input_gradient = get<bool>(d, "input_gradient", false);
  if (d.contains("loss") && !d["loss"].is_none()) {
    const py::dict l = d["loss"].cast<py::dict>();
    spec.loss.kind = l["kind"].cast<std::string>();
    spec.loss.attributes = to_attributes(l["attrs"].cast<py::dict>());
    spec.loss.slot = l["slot"].cast<int>();
    spec.loss.mask = get<int>(l, "mask", -1);
    spec.loss.reduction = to_reduction(get<std::string>(l, "reduction", "sum_over_batch_size"));
    spec.loss.weight = get<double>(l, "weight", 1.0);
  }
  for (const py::handle h : d["metrics"]) {
    const py::dict m = h.cast<py::dict>();
    spec.metrics.push_back({m["kind"].cast<std::string>(), to_attributes(m["attrs"].cast<py::dict>()),
                            m["slot"].cast<int>(), get<int>(m, "mask", -1),
                            get<bool>(m, "weighted", false)});
  }
  for (const py::handle h : d["optimizers"]) {
    const py::dict o = h.cast<py::dict>();
    OptimizerSpec os;
    os.kind = o["kind"].cast<std::string>();
    os.attributes = to_attributes(o["attrs"].cast<py::dict>());
    os.weight_decay = get<double>(o, "weight_decay", 0);
    os.clip_norm = get<double>(o, "clipnorm", 0);
    os.clip_value = get<double>(o, "clipvalue", 0);
    os.global_clip_norm = get<double>(o, "global_clipnorm", 0);
    os.ema_momentum = get<double>(o, "ema_momentum", 0);
    os.ema_overwrite_frequency = get<std::int64_t>(o, "ema_overwrite_frequency", 0);
    os.accumulation_steps = get<std::int64_t>(o, "accumulation_steps", 1);
    os.loss_scale = get<double>(o, "loss_scale", 1);
    os.skip_non_finite = get<bool>(o, "skip_non_finite", false);
    spec.optimizers.push_back(std::move(os));
  }
  for (const py::handle h : d["parameters"]) {
    const py::dict p = h.cast<py::dict>();
    ParameterSpec ps;
    ps.variable = p["variable"].cast<int>();
    ps.slots = p["slots"].cast<std::vector<VariablePtr>>();
    ps.decay = get<bool>(p, "decay", true);
    ps.optimizer = get<int>(p, "optimizer", 0);
    if (p.contains("average") && !p["average"].is_none()) ps.average = p["average"].cast<VariablePtr>();
    if (p.contains("accumulator") && !p["accumulator"].is_none())
      ps.accumulator = p["accumulator"].cast<VariablePtr>();
    if (p.contains("penalty")) {
      const py::dict q = p["penalty"].cast<py::dict>();
      ps.penalty = {get<double>(q, "l1", 0), get<double>(q, "l2", 0), get<double>(q, "orthogonal", 0),
                    get<std::string>(q, "mode", "rows") == "rows"};
    }
    if (p.contains("constraint")) {
      const py::dict c = p["constraint"].cast<py::dict>();
      ps.constraint = {c["kind"].cast<std::string>(), get<double>(c, "min_value", 0),
                       get<double>(c, "max_value", 0), get<double>(c, "rate", 1),
                       get<std::vector<int>>(c, "axis", {})};
    }
    spec.parameters.push_back(std::move(ps));
  }
  return spec;
}

void bind_trainer(py::module_& m) {
  py::class_<LockedTrainer>(m, "Trainer")
      .def(py::init([](const std::shared_ptr<Program>& program, const std::vector<VariablePtr>& variables,
                       const py::dict& spec) {
        return std::make_unique<LockedTrainer>(program, variables, to_trainer(spec));
      }))
      .def("run", &trainer_run, py::arg("x"), py::arg("y"), py::arg("weights"), py::arg("order"),
           py::arg("begin"), py::arg("end"), py::arg("batch_size"), py::arg("max_batches"),
           py::arg("max_seconds"), py::arg("learning_rates"), py::arg("iteration"), py::arg("step"),
           py::arg("predictions") = py::none(), py::arg("group") = py::none(), py::arg("shares") = py::none())
      .def("totals", [](LockedTrainer& t) {
        const auto lock = t.lock();
        std::vector<std::pair<double, double>> r;
        for (const Total& x : t.trainer.totals()) r.emplace_back(x.total, x.count);
        return r;
      })
      .def("hold", [](LockedTrainer& t, const py::object& x, const py::object& y, const py::object& weights) {
        std::vector<py::array> held;
        const Rows a = to_rows(x, held), b = to_rows(y, held), c = to_rows(weights, held);
        const std::int64_t rows = held.empty() ? 0 : held[0].shape(0);
        const auto lock = t.lock();
        const py::gil_scoped_release release;
        return t.trainer.hold(a, b, c, rows);
      }, py::arg("x"), py::arg("y"), py::arg("weights"))
      .def("input_gradient", [](LockedTrainer& t, std::int64_t rows) {  // of the rows of the last batch
        const ProgramSpec& spec = t.trainer.program().spec();
        py::array dx = rows_of(rows, spec.slots[spec.inputs[0]], spec.dtype);
        const auto bytes = static_cast<std::size_t>(dx.nbytes());
        const auto lock = t.lock();
        if (const void* from = t.trainer.input_gradient()) std::memcpy(dx.mutable_data(), from, bytes);
        else std::memset(dx.mutable_data(), 0, bytes);
        return dx;
      }, py::arg("rows"))
      .def("release", [](LockedTrainer& t) {
        const auto lock = t.lock();
        const py::gil_scoped_release release;
        t.trainer.release();
      })
      .def("reset_totals", locked(&Trainer::reset_totals))
      .def("profile", locked(&Trainer::profile))
      .def("profile_microseconds", locked(&Trainer::profile_microseconds))
      .def("profile_flops", locked(&Trainer::profile_flops))
      .def("written", locked(&Trainer::written))
      .def_property_readonly("bytes", locked(&Trainer::bytes));
}

}  // namespace pyseq::python
