#include <cstring>

#include "bindings.h"
#include "core/testing.h"

namespace pyseq::python {
namespace {

py::dict py_run_op(const std::string& kind, const std::string& isa, const py::list& inputs,
                   const py::list& params, const py::dict& attrs, const std::vector<Dims>& output_shapes,
                   bool training, std::uint64_t step, const py::object& dys, std::int64_t fold) {
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
                      const py::array& pred, const py::array& target, const py::object& scale) {
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
                         std::int64_t t, double grad_scale, double clip, double decay, const py::object& isa) {
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

void bind_testing(py::module_& m) {
  m.def("run_op", &py_run_op, py::arg("kind"), py::arg("isa"), py::arg("inputs"), py::arg("params"),
        py::arg("attrs"), py::arg("output_shapes"), py::arg("training") = false, py::arg("step") = 0,
        py::arg("dys") = py::none(), py::arg("fold") = 1);
  m.def("run_loss", &py_run_loss, py::arg("kind"), py::arg("isa"), py::arg("attrs"), py::arg("pred"),
        py::arg("target"), py::arg("scale") = py::none());
  m.def("optimizer_update", &py_optimizer_update, py::arg("kind"), py::arg("attrs"), py::arg("variable"),
        py::arg("gradient"), py::arg("slots"), py::arg("lr"), py::arg("t"), py::arg("grad_scale") = 1.0,
        py::arg("clip") = 0.0, py::arg("decay") = 0.0, py::arg("isa") = py::none());
}

}  // namespace pyseq::python
