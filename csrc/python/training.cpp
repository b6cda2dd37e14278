// Models that train without Python, as Python writes, reads and tests them.

#include "bindings.h"

namespace pyseq::python {
namespace {

std::vector<TrainingSpec::Stored> to_stored(const py::handle& given) {
  std::vector<TrainingSpec::Stored> stored;
  for (const auto& [path, key, variable] :
       given.cast<std::vector<std::tuple<std::string, std::string, VariablePtr>>>())
    stored.push_back({path, key, variable});
  return stored;
}

TrainingSpec to_training(const py::dict& d) {
  TrainingSpec spec;
  spec.config = d["config"].cast<std::string>();
  spec.weights = to_stored(d["weights"]);
  spec.assets = to_stored(d["assets"]);
  if (d["program"].is_none()) return spec;
  spec.program = d["program"].cast<std::shared_ptr<Program>>();
  spec.variables = d["variables"].cast<std::vector<VariablePtr>>();
  spec.trainer = to_trainer(d["trainer"].cast<py::dict>());
  spec.metrics = d["metrics"].cast<std::vector<std::string>>();
  spec.learning_rates = d["learning_rates"].cast<std::vector<VariablePtr>>();
  spec.iterations = d["iterations"].cast<VariablePtr>();
  return spec;
}

py::list from_stored(const std::vector<TrainingSpec::Stored>& stored) {
  py::list list;
  for (const TrainingSpec::Stored& s : stored) list.append(py::make_tuple(s.path, s.key, s.variable));
  return list;
}

Rows rows_of_array(const py::array& a) {
  if (!(a.flags() & py::array::c_style) || a.ndim() < 1) throw py::value_error("expected C-contiguous arrays");
  return {a.data(), dtype_from(py::str(a.dtype()).cast<std::string>()),
          a.shape(0) ? static_cast<std::int64_t>(a.size() / a.shape(0)) : 0};
}

TrainingData to_data(const py::array& x, const py::array& y) {
  TrainingData data;
  data.rows = x.shape(0);
  data.x = rows_of_array(x);
  data.y = rows_of_array(y);
  if (y.shape(0) != data.rows) throw py::value_error("expected x and y of as many rows as each other");
  return data;
}

py::tuple from(const Scores& s) { return py::make_tuple(s.loss, s.metrics); }

}  // namespace

void bind_training(py::module_& m) {
  m.def("write_model", [](const std::shared_ptr<Program>& program, const std::vector<VariablePtr>& variables,
                          const std::string& path, const py::array& x, const py::object& text,
                          const std::vector<std::string>& texts, const py::object& training) {
    const ProgramSpec& spec = program->spec();
    const int input = spec.inputs.at(0);
    check_rows(x, spec.slots[input], slot_dtype(spec, input), "export");
    const Model model(program, variables, to_text(text));
    if (training.is_none()) return model.save(path, x.shape(0), x.data(), texts);
    save_model(model, to_training(training.cast<py::dict>()), path, x.shape(0), x.data(), texts);
  }, py::arg("program"), py::arg("variables"), py::arg("path"), py::arg("self_test"), py::arg("text") = py::none(),
     py::arg("texts") = std::vector<std::string>(), py::arg("training") = py::none());
  m.def("read_stored", [](const std::string& path) {
    const StoredModel stored = read_stored(path);
    return py::make_tuple(stored.config, from_stored(stored.weights), from_stored(stored.assets));
  });
  py::class_<Sequential>(m, "Sequential")
      .def(py::init<Dims, std::uint64_t, std::string>(), py::arg("input_shape"), py::arg("seed") = 0,
           py::arg("name") = "sequential")
      .def("add", [](Sequential& s, const std::string& kind, const py::kwargs& arguments) {
        [[maybe_unused]] const Alone section(s);
        s.add(kind, to_attributes(arguments));
      })
      .def_property_readonly("output_shape", alone(&Sequential::output_shape))
      .def_property_readonly("parameters", alone(&Sequential::parameters))
      .def("build", alone(&Sequential::build))
      .def("compile", [](const Sequential& s, const std::string& loss, const std::string& optimizer,
                         double learning_rate, const py::dict& arguments, const py::dict& of_loss,
                         const std::vector<std::string>& metrics) {
        [[maybe_unused]] const Alone section(s);
        return s.compile({optimizer, learning_rate, to_attributes(arguments), loss, to_attributes(of_loss), metrics});
      }, py::arg("loss"), py::arg("optimizer") = "adam", py::arg("learning_rate") = -1,
         py::arg("optimizer_arguments") = py::dict(), py::arg("loss_arguments") = py::dict(),
         py::arg("metrics") = std::vector<std::string>());
  m.def("sequential_layers", &sequential_layers);
  py::class_<TrainableModel>(m, "TrainableModel")
      .def_static("load", [](const std::string& path) { return TrainableModel::load(path); })
      .def("save", alone(&TrainableModel::save))
      .def("fit", [](TrainableModel& t, const py::array& x, const py::array& y, std::int64_t epochs,
                     std::int64_t batch_size, bool shuffle, std::uint64_t seed, double validation_split) {
        FitOptions options;
        options.epochs = epochs;
        options.batch_size = batch_size;
        options.shuffle = shuffle;
        options.seed = seed;
        options.validation_split = validation_split;
        py::list history;
        [[maybe_unused]] const Alone section(t);
        for (const Epoch& e : t.fit(to_data(x, y), options))
          history.append(py::make_tuple(e.epoch, from(e.training), from(e.validation), e.learning_rate));
        return history;
      }, py::arg("x"), py::arg("y"), py::arg("epochs") = 1, py::arg("batch_size") = 32, py::arg("shuffle") = true,
         py::arg("seed") = 0, py::arg("validation_split") = 0.0)
      .def("evaluate", [](TrainableModel& t, const py::array& x, const py::array& y) {
        [[maybe_unused]] const Alone section(t);
        return from(t.evaluate(to_data(x, y)));
      })
      .def("input_gradients", [](TrainableModel& t, const py::array& x, const py::array& y) {
        [[maybe_unused]] const Alone section(t);
        const ProgramSpec& spec = t.spec().program->spec();
        py::array dx = rows_of(x.shape(0), t.model().input_shape(), spec.dtype);
        t.input_gradients(to_data(x, y), dx.mutable_data());
        return dx;
      })
      .def_property_readonly("model", [](const TrainableModel& t) {
        [[maybe_unused]] const Alone section(t);
        return t.model();
      })
      .def_property_readonly("metric_names", &TrainableModel::metric_names)
      .def_property_readonly("iterations", alone(&TrainableModel::iterations))
      .def_property("learning_rate", alone(&TrainableModel::learning_rate), alone(&TrainableModel::set_learning_rate));
}

}  // namespace pyseq::python
