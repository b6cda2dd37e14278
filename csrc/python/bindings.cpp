// The Python module: plain data in, NumPy arrays out. The GIL is released while the core computes.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstring>

#include "pyseq/pyseq.h"
#include "pyseq/testing.h"

namespace py = pybind11;
using namespace pyseq;

namespace {

using Object = py::object;

py::dtype numpy_dtype(DType dtype) { return py::dtype(name_of(dtype)); }

Attribute to_attribute(const py::handle& v) {
  if (py::isinstance<py::bool_>(v)) return std::int64_t{v.cast<bool>()};
  if (py::isinstance<py::int_>(v)) return v.cast<std::int64_t>();
  if (py::isinstance<py::float_>(v)) return v.cast<double>();
  if (py::isinstance<py::str>(v)) return v.cast<std::string>();
  bool integers = true;
  for (const py::handle item : v) integers = integers && !py::isinstance<py::float_>(item);
  if (integers) return v.cast<std::vector<std::int64_t>>();
  return v.cast<std::vector<double>>();
}

Attributes to_attributes(const py::dict& d) {
  Attributes a;
  for (const auto& item : d) a[item.first.cast<std::string>()] = to_attribute(item.second);
  return a;
}

ProgramSpec to_program(const py::dict& d) {
  ProgramSpec spec;
  spec.dtype = dtype_from(d["dtype"].cast<std::string>());
  spec.training = d["training"].cast<bool>();
  spec.slots = d["slots"].cast<std::vector<Dims>>();
  spec.inputs = d["inputs"].cast<std::vector<int>>();
  spec.outputs = d["outputs"].cast<std::vector<int>>();
  for (const py::handle h : d["ops"]) {
    const py::dict o = h.cast<py::dict>();
    OpSpec op;
    op.kind = o["kind"].cast<std::string>();
    op.name = o["name"].cast<std::string>();
    op.inputs = o["inputs"].cast<std::vector<int>>();
    op.outputs = o["outputs"].cast<std::vector<int>>();
    op.params = o["params"].cast<std::vector<int>>();
    op.attributes = to_attributes(o["attrs"].cast<py::dict>());
    op.fold = o["fold"].cast<std::int64_t>();
    spec.ops.push_back(std::move(op));
  }
  for (const py::handle h : d["variables"]) {
    const py::dict v = h.cast<py::dict>();
    spec.variables.push_back({v["name"].cast<std::string>(), v["shape"].cast<Dims>(),
                              v["trainable"].cast<bool>()});
  }
  return spec;
}

template <class T>
T get(const py::dict& d, const char* key, T otherwise) {
  return d.contains(key) ? d[key].cast<T>() : otherwise;
}

py::array rows_of(std::int64_t n, const Dims& shape, DType dtype) {
  std::vector<py::ssize_t> dims{static_cast<py::ssize_t>(n)};
  dims.insert(dims.end(), shape.begin(), shape.end());
  return py::array(numpy_dtype(dtype), dims);
}

// A Python function as a host op: gets a read-only view of the input, returns n rows.
HostFunction to_host(py::function function, Dims in, Dims out, DType dtype) {
  auto shared = std::shared_ptr<py::function>(new py::function(std::move(function)), [](py::function* f) {
    const py::gil_scoped_acquire gil;
    delete f;
  });
  return [shared, in, out, dtype](std::int64_t n, const void* x, void* y) {
    const py::gil_scoped_acquire gil;
    std::vector<py::ssize_t> dims{static_cast<py::ssize_t>(n)};
    dims.insert(dims.end(), in.begin(), in.end());
    // Copied: the function may keep its argument, and the arena's memory is used again.
    const py::array input(numpy_dtype(dtype), dims, x);
    py::array result = py::array::ensure((*shared)(input), py::array::c_style);
    if (!result) throw py::error_already_set();
    const py::module_ numpy = py::module_::import("numpy");
    result = numpy.attr("ascontiguousarray")(result, numpy_dtype(dtype));
    std::vector<py::ssize_t> want{static_cast<py::ssize_t>(n)};
    want.insert(want.end(), out.begin(), out.end());
    if (std::vector<py::ssize_t>(result.shape(), result.shape() + result.ndim()) != want)
      throw py::value_error("expected the function of a Lambda or custom layer to return the shape that "
                            "its output_shape says, got another; pass `output_shape=`");
    std::memcpy(y, result.data(), static_cast<std::size_t>(result.nbytes()));
  };
}

std::shared_ptr<Program> make_program(const py::dict& d, const py::list& callbacks) {
  ProgramSpec spec = to_program(d);
  std::vector<HostFunction> host(callbacks.size());
  for (const OpSpec& op : spec.ops) {
    if (op.kind != "host") continue;
    const auto i = static_cast<std::size_t>(std::get<std::int64_t>(op.attributes.at("callback")));
    Dims in = spec.slots.at(op.inputs.at(0)), out = spec.slots.at(op.outputs.at(0));
    if (op.fold > 1) {  // the first dimension counts as rows
      in.erase(in.begin());
      out.erase(out.begin());
    }
    host.at(i) = to_host(callbacks[i].cast<py::function>(), std::move(in), std::move(out), spec.dtype);
  }
  return std::make_shared<Program>(std::move(spec), std::move(host));
}

// C-contiguous rows of exactly this shape and dtype.
const py::array& check_rows(const py::array& a, const Dims& shape, DType dtype, const char* where) {
  bool fits = a.ndim() == static_cast<py::ssize_t>(shape.size()) + 1 &&
              a.dtype().equal(numpy_dtype(dtype)) && (a.flags() & py::array::c_style);
  for (std::size_t i = 0; fits && i < shape.size(); ++i)
    fits = a.shape(static_cast<py::ssize_t>(i) + 1) == shape[i];
  if (!fits)
    throw py::value_error(std::string(where) + ": expected a C-contiguous " + name_of(dtype) +
                          " array of rows of the program's input shape, got " +
                          py::str(py::make_tuple(a.dtype(), py::tuple(a.attr("shape")))).cast<std::string>());
  return a;
}

// run() of a program with one input and one output for an array of numbers of its shape, else None:
// what a caller asks first, so that a small model's answer does not wait for the checks.
py::object session_answer(Session& session, const py::handle& x, std::int64_t most_rows) {
  const ProgramSpec& spec = session.program().spec();
  const auto& api = py::detail::npy_api::get();
  if (spec.inputs.size() != 1 || spec.outputs.size() != 1 || spec.dtype != DType::float32 ||
      Py_TYPE(x.ptr()) != api.PyArray_Type_)
    return py::none();
  auto a = py::reinterpret_borrow<py::array>(x);
  const Dims& in = spec.slots[spec.inputs[0]];
  const Dims& out = spec.slots[spec.outputs[0]];
  if (a.ndim() != static_cast<py::ssize_t>(in.size()) + 1 || !std::strchr("fiub", a.dtype().kind()))
    return py::none();
  const std::int64_t n = a.shape(0);
  if (n < 1 || (most_rows > 0 && n > most_rows)) return py::none();
  for (std::size_t i = 0; i < in.size(); ++i)
    if (a.shape(static_cast<py::ssize_t>(i) + 1) != in[i]) return py::none();
  py::ssize_t dims[16];
  if (out.size() >= std::size(dims)) return py::none();
  // The same array where nothing is to convert.
  a = py::array_t<float, py::array::c_style | py::array::forcecast>::ensure(a);
  if (!a) return py::none();
  dims[0] = n;
  for (std::size_t i = 0; i < out.size(); ++i) dims[i + 1] = out[i];
  auto y = py::reinterpret_steal<py::array>(api.PyArray_NewFromDescr_(
      api.PyArray_Type_, py::dtype::of<float>().release().ptr(), static_cast<int>(out.size()) + 1, dims,
      nullptr, nullptr, 0, nullptr));
  if (!y) throw py::error_already_set();
  const void* from = a.data();
  void* to = y.mutable_data();
  {
    const py::gil_scoped_release release;
    session.run(n, &from, &to, false, 0);
  }
  return y;
}

py::list session_run(Session& session, const py::sequence& inputs, bool training, std::uint64_t step) {
  const ProgramSpec& spec = session.program().spec();
  if (inputs.size() != spec.inputs.size())
    throw py::value_error("Session: expected " + std::to_string(spec.inputs.size()) + " inputs");
  std::vector<py::array> held;
  std::vector<const void*> in;
  std::vector<void*> out;
  std::int64_t n = -1;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    held.push_back(inputs[i].cast<py::array>());
    check_rows(held.back(), spec.slots[spec.inputs[i]], spec.dtype, "Session");
    if (n >= 0 && held.back().shape(0) != n)
      throw py::value_error("Session: expected inputs of as many rows as each other");
    n = held.back().shape(0);
    in.push_back(held.back().data());
  }
  py::list results;
  for (const int s : spec.outputs) {
    py::array a = rows_of(n, spec.slots[s], spec.dtype);
    out.push_back(a.mutable_data());
    results.append(std::move(a));
  }
  {
    const py::gil_scoped_release release;
    session.run(n, in.data(), out.data(), training, step);
  }
  return results;
}

Reduction to_reduction(const std::string& s) {
  if (s == "sum") return Reduction::sum;
  if (s == "mean_with_sample_weight") return Reduction::mean_with_sample_weight;
  if (s == "sum_over_batch_size" || s == "mean") return Reduction::sum_over_batch_size;
  throw py::value_error("loss: expected a reduction that gives one number, got " + s);
}

TrainerSpec to_trainer(const py::dict& d) {
  TrainerSpec spec;
  spec.target = d["target"].cast<Dims>();
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

Rows to_rows(const Object& object, std::vector<py::array>& held) {
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

std::int64_t trainer_run(Trainer& trainer, const Object& x, const Object& y, const Object& weights,
                         const Object& order, std::int64_t begin, std::int64_t end,
                         std::int64_t batch_size, std::int64_t max_batches, double max_seconds,
                         const py::array_t<double, py::array::c_style>& learning_rates,
                         std::int64_t iteration, std::uint64_t step, const Object& predictions) {
  std::vector<py::array> held;
  BatchRun r;
  r.x = to_rows(x, held);
  r.y = to_rows(y, held);
  r.weights = to_rows(weights, held);
  const std::int64_t rows = x.cast<py::array>().shape(0);
  for (const Object* o : {&y, &weights})
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
  const std::int64_t batches =
      std::min<std::int64_t>(max_batches, (end - begin + batch_size - 1) / std::max<std::int64_t>(batch_size, 1));
  r.learning_rates = learning_rates.data();
  r.iteration = iteration;
  r.step = step;
  if (learning_rates.size() > 0 && learning_rates.size() < batches)
    throw py::value_error("Trainer: expected a learning rate for each batch");
  py::array out;
  if (!predictions.is_none()) {
    out = predictions.cast<py::array>();
    const ProgramSpec& spec = trainer.program().spec();
    check_rows(out, spec.slots[spec.outputs[0]], spec.dtype, "Trainer");
    if (out.shape(0) < end - begin) throw py::value_error("Trainer: expected room for all predictions");
    r.predictions = out.mutable_data();
  }
  const py::gil_scoped_release release;
  return trainer.run(r);
}

py::dict py_run_op(const std::string& kind, const std::string& isa, const py::list& inputs,
                   const py::list& params, const py::dict& attrs, const std::vector<Dims>& output_shapes,
                   bool training, std::uint64_t step, const Object& dys, std::int64_t fold) {
  const DType dtype = isa == "ref64" ? DType::float64 : DType::float32;
  const py::object as = py::module_::import("numpy").attr("ascontiguousarray");
  OpRun r;
  r.op.kind = kind;
  r.op.attributes = to_attributes(attrs);
  r.op.fold = fold;
  r.training = training;
  r.step = step;
  r.output_shapes = output_shapes;
  std::vector<py::array> held;
  for (const py::handle h : inputs) {
    held.push_back(as(h, numpy_dtype(dtype)).cast<py::array>());
    const py::array& a = held.back();
    r.n = a.shape(0);
    r.input_shapes.emplace_back(a.shape() + 1, a.shape() + a.ndim());
    r.inputs.push_back(a.data());
  }
  for (const py::handle h : params) {
    const py::array a = as(h, numpy_dtype(dtype)).cast<py::array>();
    auto v = std::make_shared<Variable>(Dims(a.shape(), a.shape() + h.attr("ndim").cast<py::ssize_t>()), dtype);
    std::memcpy(v->data(), a.data(), v->bytes());
    r.params.push_back(std::move(v));
  }
  if (!dys.is_none())
    for (const py::handle h : dys) {
      held.push_back(as(h, numpy_dtype(dtype)).cast<py::array>());
      r.seeds.push_back(held.back().data());
    }
  OpResult result;
  {
    const py::gil_scoped_release release;
    result = run_op(r, isa.c_str());
  }
  const auto list = [&](const std::vector<VariablePtr>& vs) {
    py::list out;
    for (const VariablePtr& v : vs)
      out.append(py::array(numpy_dtype(dtype), std::vector<py::ssize_t>(v->shape().begin(), v->shape().end()), v->data()));
    return out;
  };
  py::dict d;
  d["outputs"] = list(result.outputs);
  d["dinputs"] = list(result.input_gradients);
  d["dparams"] = list(result.param_gradients);
  d["params"] = list(r.params);
  d["loss"] = result.loss;
  return d;
}

py::tuple py_run_loss(const std::string& kind, const std::string& isa, const py::dict& attrs,
                      const py::array& pred, const py::array& target, const Object& scale) {
  const DType dtype = isa == "ref64" ? DType::float64 : DType::float32;
  const py::object as = py::module_::import("numpy").attr("ascontiguousarray");
  const py::array p = as(pred, numpy_dtype(dtype)).cast<py::array>();
  const py::array t = as(target, numpy_dtype(dtype)).cast<py::array>();
  const bool gradient = !scale.is_none();
  const py::array s = gradient ? as(scale, numpy_dtype(dtype)).cast<py::array>() : py::array();
  const LossResult r = run_loss(kind, to_attributes(attrs), Dims(p.shape() + 1, p.shape() + p.ndim()),
                                Dims(t.shape() + 1, t.shape() + t.ndim()), p.shape(0), p.data(), t.data(),
                                gradient ? s.data() : nullptr, gradient, isa.c_str());
  const auto array = [&](const VariablePtr& v) -> py::object {
    if (!v) return py::none();
    return py::array(numpy_dtype(dtype), std::vector<py::ssize_t>(v->shape().begin(), v->shape().end()), v->data());
  };
  return py::make_tuple(array(r.values), array(r.gradient));
}

void py_optimizer_update(const std::string& kind, const py::dict& attrs, const VariablePtr& variable,
                         const py::array& gradient, const std::vector<VariablePtr>& slots, double lr,
                         std::int64_t t, double grad_scale, double clip, double decay, const Object& isa) {
  const py::object as = py::module_::import("numpy").attr("ascontiguousarray");
  const py::array g = as(gradient, numpy_dtype(variable->dtype())).cast<py::array>();
  if (static_cast<std::int64_t>(g.size()) != variable->size())
    throw py::value_error("optimizer: expected a gradient of the variable's shape");
  OptimizerRun r{kind, to_attributes(attrs), variable, g.data(), slots, lr, grad_scale, clip, decay, t};
  const std::string level = !isa.is_none() ? isa.cast<std::string>()
                            : variable->dtype() == DType::float64 ? "ref64" : "";
  run_optimizer(r, level.c_str());
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  m.doc() = "The compiled core of pyseq";
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const OutOfMemory& e) {
      PyErr_SetString(PyExc_MemoryError, e.what());
    } catch (const Error& e) {
      PyErr_SetString(PyExc_ValueError, e.what());
    }
  });

  py::class_<Variable, VariablePtr>(m, "Variable")
      .def(py::init([](const Dims& shape, const std::string& dtype) {
        return std::make_shared<Variable>(shape, dtype_from(dtype));
      }))
      .def("array", [](const VariablePtr& v) {
        return py::array(numpy_dtype(v->dtype()),
                         std::vector<py::ssize_t>(v->shape().begin(), v->shape().end()), v->data(),
                         py::cast(v));
      })
      .def("fetch", [](const VariablePtr& v) { std::as_const(*v).data(); },
           py::call_guard<py::gil_scoped_release>())
      .def("changed", [](const VariablePtr& v) { v->changed(); });

  py::class_<Program, std::shared_ptr<Program>>(m, "Program")
      .def(py::init(&make_program), py::arg("spec"), py::arg("callbacks") = py::list())
      .def("dump", &Program::dump, py::arg("rows") = 1, py::arg("microseconds") = std::vector<double>())
      .def_property_readonly("isa", &Program::isa);

  py::class_<Session>(m, "Session")
      .def(py::init([](const std::shared_ptr<Program>& program, const std::vector<VariablePtr>& variables) {
        return std::make_unique<Session>(program, variables);
      }))
      .def("run", &session_run, py::arg("inputs"), py::arg("training") = false, py::arg("step") = 0)
      .def("answer", &session_answer, py::arg("x"), py::arg("most_rows") = 0)
      .def_property_readonly("bytes", &Session::bytes);

  py::class_<Trainer>(m, "Trainer")
      .def(py::init([](const std::shared_ptr<Program>& program, const std::vector<VariablePtr>& variables,
                       const py::dict& spec) {
        return std::make_unique<Trainer>(program, variables, to_trainer(spec));
      }))
      .def("run", &trainer_run, py::arg("x"), py::arg("y"), py::arg("weights"), py::arg("order"),
           py::arg("begin"), py::arg("end"), py::arg("batch_size"), py::arg("max_batches"),
           py::arg("max_seconds"), py::arg("learning_rates"), py::arg("iteration"), py::arg("step"),
           py::arg("predictions") = py::none())
      .def("totals", [](const Trainer& t) {
        std::vector<std::pair<double, double>> r;
        for (const Total& x : t.totals()) r.emplace_back(x.total, x.count);
        return r;
      })
      .def("hold", [](Trainer& t, const Object& x, const Object& y, const Object& weights) {
        std::vector<py::array> held;
        const Rows a = to_rows(x, held), b = to_rows(y, held), c = to_rows(weights, held);
        const std::int64_t rows = held.empty() ? 0 : held[0].shape(0);
        const py::gil_scoped_release release;
        return t.hold(a, b, c, rows);
      }, py::arg("x"), py::arg("y"), py::arg("weights"))
      .def("release", &Trainer::release, py::call_guard<py::gil_scoped_release>())
      .def("reset_totals", &Trainer::reset_totals)
      .def("profile", &Trainer::profile)
      .def("profile_microseconds", &Trainer::profile_microseconds)
      .def("profile_flops", &Trainer::profile_flops)
      .def_property_readonly("bytes", &Trainer::bytes);

  m.def("export_model", [](const std::shared_ptr<Program>& program, const std::vector<VariablePtr>& variables,
                           const std::string& path, const py::array& x) {
    const ProgramSpec& spec = program->spec();
    check_rows(x, spec.slots[spec.inputs.at(0)], spec.dtype, "export");
    Model(program, variables).save(path, x.shape(0), x.data());
  }, py::arg("program"), py::arg("variables"), py::arg("path"), py::arg("self_test"));
  py::class_<Model>(m, "Model")
      .def_static("load", [](const std::string& path) { return Model::load(path); })
      .def_property_readonly("input_shape", &Model::input_shape)
      .def_property_readonly("output_shape", &Model::output_shape)
      .def("dump", [](const Model& model, std::int64_t n) { return model.program().dump(n); }, py::arg("rows") = 1)
      .def("predict", [](const Model& model, const py::array& x) {
        check_rows(x, model.input_shape(), DType::float32, "Model.predict");
        py::array y = rows_of(x.shape(0), model.output_shape(), DType::float32);
        auto* out = static_cast<float*>(y.mutable_data());
        const auto* in = static_cast<const float*>(x.data());
        const std::int64_t n = x.shape(0);
        {
          const py::gil_scoped_release release;
          model.predict(n, in, out);
        }
        return y;
      });

  m.def("run_op", &py_run_op, py::arg("kind"), py::arg("isa"), py::arg("inputs"), py::arg("params"),
        py::arg("attrs"), py::arg("output_shapes"), py::arg("training") = false, py::arg("step") = 0,
        py::arg("dys") = py::none(), py::arg("fold") = 1);
  m.def("run_loss", &py_run_loss, py::arg("kind"), py::arg("isa"), py::arg("attrs"), py::arg("pred"),
        py::arg("target"), py::arg("scale") = py::none());
  m.def("optimizer_update", &py_optimizer_update, py::arg("kind"), py::arg("attrs"), py::arg("variable"),
        py::arg("gradient"), py::arg("slots"), py::arg("lr"), py::arg("t"), py::arg("grad_scale") = 1.0,
        py::arg("clip") = 0.0, py::arg("decay") = 0.0, py::arg("isa") = py::none());

  m.def("set_device", &set_device);
  m.def("current_device", &current_device);
  m.def("list_devices", [] {
    std::vector<std::pair<std::string, std::string>> r;
    for (const DeviceInfo& d : list_devices()) r.emplace_back(d.name, d.description);
    return r;
  });
  m.def("set_num_threads", &set_num_threads);
  m.def("num_threads", &num_threads);
  m.def("peak_flops", &peak_flops);
  m.def("set_matmul_precision", &set_matmul_precision);
  m.def("matmul_precision", &matmul_precision_name);
  m.def("available_isas", &available_isas);
  m.def("built_isas", &built_isas);
  m.def("current_isa", &current_isa);
}
