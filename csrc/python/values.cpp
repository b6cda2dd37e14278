#include "bindings.h"

namespace pyseq::python {
namespace {

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

}  // namespace

py::dtype numpy_dtype(DType dtype) { return py::dtype(name_of(dtype)); }

Attributes to_attributes(const py::dict& d) {
  Attributes a;
  for (const auto& item : d) a[item.first.cast<std::string>()] = to_attribute(item.second);
  return a;
}

py::array rows_of(std::int64_t n, const Dims& shape, DType dtype) {
  std::vector<py::ssize_t> dims{static_cast<py::ssize_t>(n)};
  dims.insert(dims.end(), shape.begin(), shape.end());
  return py::array(numpy_dtype(dtype), dims);
}

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

}  // namespace pyseq::python
