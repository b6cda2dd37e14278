#include "bindings.h"

namespace pyseq::python {

void bind_variable(py::module_& m) {
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
}

}  // namespace pyseq::python
