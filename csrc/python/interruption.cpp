// Ctrl-C during long calls of the core, without the GIL until it comes.
#include <atomic>

#include "bindings.h"
#include "core/platform.h"

namespace pyseq::python {
namespace {

std::atomic<bool> arrived{false};  // the system may say so on any thread
unsigned long main_thread = 0;
thread_local bool watching = false;
thread_local int within = 0;  // calls of the core by Python functions that it calls
thread_local std::exception_ptr raised;  // by Python's own handler

// Python runs handlers on its main thread only. The handler is in place while a call lasts: programs
// may set another one at any time in between.
void begin() {
  if (watching) {
    ++within;
    return;
  }
  if (PyThread_get_thread_ident() != main_thread) return;
  watching = platform::watch_interrupts(arrived);
  arrived = true;  // one may have come before
}

bool stop() {
  if (!watching || !arrived.exchange(false)) return false;
  const py::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() == 0) return false;  // a handler that goes on
  raised = std::make_exception_ptr(py::error_already_set());
  return true;
}

void end() {
  if (!watching) return;
  if (within > 0) {
    --within;
    return;
  }
  watching = false;
  arrived = false;
  platform::unwatch_interrupts();
}

}  // namespace

void rethrow_interruption() {
  if (std::exception_ptr error = std::exchange(raised, nullptr)) std::rethrow_exception(error);
}

void bind_interruption(py::module_&) {
  const auto ident = py::module_::import("threading").attr("main_thread")().attr("ident");
  main_thread = ident.cast<unsigned long>();
  set_interruption({begin, stop, end});
}

}  // namespace pyseq::python
