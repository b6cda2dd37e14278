#include <cstring>

#include "bindings.h"

namespace pyseq::python {
namespace {

ProgramSpec to_program(const py::dict& d) {
  ProgramSpec spec;
  spec.dtype = dtype_from(d["dtype"].cast<std::string>());
  spec.training = d["training"].cast<bool>();
  spec.slots = d["slots"].cast<std::vector<Dims>>();
  if (d.contains("dtypes"))
    for (const py::handle name : d["dtypes"]) spec.dtypes.push_back(dtype_from(name.cast<std::string>()));
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

// A Python function as a host op: gets a read-only view of the input, returns n rows.
HostFunction to_host(py::function function, Dims in, Dims out, DType in_dtype, DType out_dtype) {
  auto shared = std::shared_ptr<py::function>(new py::function(std::move(function)), [](py::function* f) {
    const py::gil_scoped_acquire gil;
    delete f;
  });
  return [shared, in, out, in_dtype, out_dtype](std::int64_t n, const void* x, void* y) {
    const py::gil_scoped_acquire gil;
    std::vector<py::ssize_t> dims{static_cast<py::ssize_t>(n)};
    dims.insert(dims.end(), in.begin(), in.end());
    // Copied: the function may keep its argument, and the arena's memory is used again.
    const py::array input(numpy_dtype(in_dtype), dims, x);
    py::array result = py::array::ensure((*shared)(input), py::array::c_style);
    if (!result) throw py::error_already_set();
    const py::module_ numpy = py::module_::import("numpy");
    result = numpy.attr("ascontiguousarray")(result, numpy_dtype(out_dtype));
    std::vector<py::ssize_t> want{static_cast<py::ssize_t>(n)};
    want.insert(want.end(), out.begin(), out.end());
    if (std::vector<py::ssize_t>(result.shape(), result.shape() + result.ndim()) != want)
      throw py::value_error("expected the function of a Lambda or custom layer to return the shape that "
                            "its output_shape says, got another; pass `output_shape=`");
    std::memcpy(y, result.data(), static_cast<std::size_t>(result.nbytes()));
  };
}

// `fuse`: which ops are put together: none (""), those that every device knows ("portable"), or all that
// the host knows ("host").
std::shared_ptr<Program> make_program(const py::dict& d, const py::list& callbacks, const std::string& fuse) {
  ProgramSpec spec = to_program(d);
  if (!fuse.empty()) spec = fused(spec, fuse == "host");
  std::vector<HostFunction> host(callbacks.size());
  for (const OpSpec& op : spec.ops) {
    if (op.kind != "host") continue;
    const auto i = static_cast<std::size_t>(std::get<std::int64_t>(op.attributes.at("callback")));
    Dims in = spec.slots.at(op.inputs.at(0)), out = spec.slots.at(op.outputs.at(0));
    if (op.fold > 1) {  // the first dimension counts as rows
      in.erase(in.begin());
      out.erase(out.begin());
    }
    host.at(i) = to_host(callbacks[i].cast<py::function>(), std::move(in), std::move(out),
                         slot_dtype(spec, op.inputs[0]), slot_dtype(spec, op.outputs[0]));
  }
  return std::make_shared<Program>(std::move(spec), std::move(host));
}

}  // namespace

void bind_program(py::module_& m) {
  py::class_<Program, std::shared_ptr<Program>>(m, "Program")
      .def(py::init(&make_program), py::arg("spec"), py::arg("callbacks") = py::list(), py::arg("fuse") = "")
      .def("dump", &Program::dump, py::arg("rows") = 1, py::arg("microseconds") = std::vector<double>())
      .def_property_readonly("isa", &Program::isa);
}

}  // namespace pyseq::python
