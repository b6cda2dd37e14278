#pragma once
// What the files of the Python module share: plain data in, NumPy arrays out. The GIL is released
// while the core computes.
#include <pybind11/critical_section.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "core/program.h"
#include "core/session.h"
#include "core/text.h"
#include "core/trainer.h"
#include "core/training.h"
#include "pyseq/pyseq.h"

namespace pyseq::python {

namespace py = pybind11;

py::dtype numpy_dtype(DType dtype);
Attributes to_attributes(const py::dict& d);
py::array rows_of(std::int64_t n, const Dims& shape, DType dtype);
TrainerSpec to_trainer(const py::dict& d);
std::shared_ptr<const TextEncoder> to_text(const py::object& given);
// C-contiguous rows of exactly this shape and dtype; else throws.
const py::array& check_rows(const py::array& a, const Dims& shape, DType dtype, const char* where);

// One file each. A signature names only what was bound before.
void bind_variable(py::module_& m);
void bind_program(py::module_& m);
void bind_session(py::module_& m);
void bind_trainer(py::module_& m);
void bind_model(py::module_& m);
void bind_training(py::module_& m);
void bind_testing(py::module_& m);
void bind_config(py::module_& m);
void bind_interruption(py::module_& m);

// Methods of an object that keeps no lock: in a Python without a GIL, calls of one object wait for each
// other, as they do for the GIL elsewhere. Programs, variables and sessions need none of it, and a trainer,
// which works without the GIL, has a lock of its own.
class Alone {
 public:
#ifdef Py_GIL_DISABLED
  template <class T>
  explicit Alone(const T& self) : object_(py::cast(&self, py::return_value_policy::reference)), section_(object_) {}

 private:
  py::object object_;
  py::scoped_critical_section section_;
#else
  template <class T>
  explicit Alone(const T&) {}
#endif
};

template <class R, class T, class... Args>
auto alone(R (T::*method)(Args...)) {
  return [method](T& self, Args... args) -> R {
    [[maybe_unused]] const Alone section(self);
    return (self.*method)(std::forward<Args>(args)...);
  };
}
template <class R, class T, class... Args>
auto alone(R (T::*method)(Args...) const) {
  return [method](const T& self, Args... args) -> R {
    [[maybe_unused]] const Alone section(self);
    return (self.*method)(std::forward<Args>(args)...);
  };
}

// Throws what a signal handler raised while the core was interrupted, if one did.
void rethrow_interruption();

}  // namespace pyseq::python
