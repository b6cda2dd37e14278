// Ctrl-C during long calls of the core, without the GIL until it comes.
#include <pthread.h>
#include <signal.h>

#include <atomic>

#include "bindings.h"

namespace pyseq::python {
namespace {

// The system may run the handler on any thread.
std::atomic<bool> arrived{false};
std::atomic<void (*)(int)> python_function{nullptr};  // what the handler of `before` calls
static_assert(std::atomic<void (*)(int)>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);
struct sigaction before;  // read and written by the main thread only
pthread_t main_thread;
thread_local bool watching = false;
thread_local int within = 0;  // calls of the core by Python functions that it calls
thread_local std::exception_ptr raised;  // by Python's own handler

void note(int signal) {
  arrived = true;
  python_function.load()(signal);
}

// Python runs handlers on its main thread only. The handler is in place while a call lasts: programs
// may set another one at any time in between.
void begin() {
  if (watching) {
    ++within;
    return;
  }
  if (!pthread_equal(pthread_self(), main_thread)) return;
  struct sigaction ours {};
  if (sigaction(SIGINT, nullptr, &before) != 0) return;
  const auto handler = before.sa_handler;
  if (handler == SIG_DFL || handler == SIG_IGN || (before.sa_flags & SA_SIGINFO)) return;
  python_function = handler;
  ours = before;
  ours.sa_handler = note;
  watching = sigaction(SIGINT, &ours, nullptr) == 0;
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
  sigaction(SIGINT, &before, nullptr);
}

}  // namespace

void rethrow_interruption() {
  if (std::exception_ptr error = std::exchange(raised, nullptr)) std::rethrow_exception(error);
}

void bind_interruption(py::module_&) {
  const auto ident = py::module_::import("threading").attr("main_thread")().attr("ident");
  main_thread = static_cast<pthread_t>(ident.cast<unsigned long>());
  set_interruption({begin, stop, end});
}

}  // namespace pyseq::python
