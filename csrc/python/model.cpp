#include "bindings.h"

namespace pyseq::python {

void bind_model(py::module_& m) {
  m.def("export_model", [](const std::shared_ptr<Program>& program, const std::vector<VariablePtr>& variables,
                           const std::string& path, const py::array& x) {
    const ProgramSpec& spec = program->spec();
    const int input = spec.inputs.at(0);
    check_rows(x, spec.slots[input], slot_dtype(spec, input), "export");
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
}

}  // namespace pyseq::python
