#include <cstring>

#include "bindings.h"

namespace pyseq::python {
namespace {

// run() of a program with one input and one output for an array of numbers of its shape, else None:
// what a caller asks first, so that a small model's answer does not wait for the checks.
py::object session_answer(Session& session, const py::handle& x, std::int64_t most_rows,
                          std::int64_t first_row) {
  const ProgramSpec& spec = session.program().spec();
  const auto& api = py::detail::npy_api::get();
  if (spec.inputs.size() != 1 || spec.outputs.size() != 1) return py::none();
  const DType takes = slot_dtype(spec, spec.inputs[0]);
  if ((takes != DType::float32 && takes != DType::int64) ||
      slot_dtype(spec, spec.outputs[0]) != DType::float32 || Py_TYPE(x.ptr()) != api.PyArray_Type_)
    return py::none();
  auto a = py::reinterpret_borrow<py::array>(x);
  const Dims& in = spec.slots[spec.inputs[0]];
  const Dims& out = spec.slots[spec.outputs[0]];
  if (a.ndim() != static_cast<py::ssize_t>(in.size()) + 1 ||
      !std::strchr(takes == DType::float32 ? "fiub" : "iub", a.dtype().kind()))
    return py::none();
  const std::int64_t n = a.shape(0);
  if (n < 1 || (most_rows > 0 && n > most_rows)) return py::none();
  for (std::size_t i = 0; i < in.size(); ++i)
    if (a.shape(static_cast<py::ssize_t>(i) + 1) != in[i]) return py::none();
  py::ssize_t dims[16];
  if (out.size() >= std::size(dims)) return py::none();
  // The same array where nothing is to convert.
  constexpr int kHow = py::array::c_style | py::array::forcecast;
  if (takes == DType::float32) a = py::array_t<float, kHow>::ensure(a);
  else a = py::array_t<std::int64_t, kHow>::ensure(a);
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
    session.run({n, &from, &to, false, 0, first_row});
  }
  return y;
}

py::list session_run(Session& session, const py::sequence& inputs, bool training, std::uint64_t step,
                     std::int64_t first_row) {
  const ProgramSpec& spec = session.program().spec();
  if (inputs.size() != spec.inputs.size())
    throw py::value_error("Session: expected " + std::to_string(spec.inputs.size()) + " inputs");
  std::vector<py::array> held;
  std::vector<const void*> in;
  std::vector<void*> out;
  std::int64_t n = -1;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    held.push_back(inputs[i].cast<py::array>());
    check_rows(held.back(), spec.slots[spec.inputs[i]], slot_dtype(spec, spec.inputs[i]), "Session");
    if (n >= 0 && held.back().shape(0) != n)
      throw py::value_error("Session: expected inputs of as many rows as each other");
    n = held.back().shape(0);
    in.push_back(held.back().data());
  }
  py::list results;
  for (const int s : spec.outputs) {
    py::array a = rows_of(n, spec.slots[s], slot_dtype(spec, s));
    out.push_back(a.mutable_data());
    results.append(std::move(a));
  }
  {
    const py::gil_scoped_release release;
    session.run({n, in.data(), out.data(), training, step, first_row});
  }
  return results;
}

}  // namespace

void bind_session(py::module_& m) {
  py::class_<Session>(m, "Session")
      .def(py::init([](const std::shared_ptr<Program>& program, const std::vector<VariablePtr>& variables) {
        return std::make_unique<Session>(program, variables);
      }))
      .def("run", &session_run, py::arg("inputs"), py::arg("training") = false, py::arg("step") = 0,
           py::arg("first_row") = 0)
      .def("answer", &session_answer, py::arg("x"), py::arg("most_rows") = 0, py::arg("first_row") = 0)
      .def_property_readonly("bytes", &Session::bytes);
}

}  // namespace pyseq::python
