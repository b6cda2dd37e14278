#include "bindings.h"

namespace py = pybind11;

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  using namespace pyseq;
  using python::rethrow_interruption;
  m.doc() = "The compiled core of pyseq";
  use_environment();
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const Interrupted& e) {
      try {
        rethrow_interruption();
      } catch (py::error_already_set& error) {
        error.restore();
        return;
      }
      PyErr_SetString(PyExc_KeyboardInterrupt, e.what());
    } catch (const OutOfMemory& e) {
      PyErr_SetString(PyExc_MemoryError, e.what());
    } catch (const Error& e) {
      PyErr_SetString(PyExc_ValueError, e.what());
    }
  });
  python::bind_variable(m);
  python::bind_program(m);
  python::bind_session(m);
  python::bind_trainer(m);
  python::bind_model(m);
  python::bind_training(m);
  python::bind_testing(m);
  python::bind_config(m);
  python::bind_interruption(m);
}
