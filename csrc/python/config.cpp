#include "bindings.h"

namespace pyseq::python {

void bind_config(py::module_& m) {
  m.def("set_device", &set_device);
  m.def("current_device", &current_device);
  m.def("list_devices", [] {
    std::vector<std::pair<std::string, std::string>> r;
    for (const DeviceInfo& d : list_devices()) r.emplace_back(d.name, d.description);
    return r;
  });
  m.def("set_num_threads", &set_num_threads);
  m.def("num_threads", &num_threads);
  m.def("peak_flops", &peak_flops);
  m.def("set_matmul_precision", &set_matmul_precision);
  m.def("matmul_precision", &matmul_precision_name);
  m.def("available_isas", &available_isas);
  m.def("built_isas", &built_isas);
  m.def("current_isa", &current_isa);
}

}  // namespace pyseq::python
