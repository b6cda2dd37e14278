#include <set>

#include "bindings.h"

namespace pyseq::python {

std::shared_ptr<const TextEncoder> to_text(const py::object& given) {
  if (given.is_none()) return nullptr;
  const auto d = given.cast<py::dict>();
  TextSpec s;
  s.name = d["name"].cast<std::string>();
  s.texts = d["texts"].cast<std::int64_t>();
  s.lower = d["lower"].cast<bool>();
  s.strip_punctuation = d["strip_punctuation"].cast<bool>();
  s.split = d["split"].cast<std::string>();
  s.ngrams = d["ngrams"].cast<std::vector<std::int64_t>>();
  s.output = d["output"].cast<std::string>();
  s.length = d["length"].cast<std::int64_t>();
  s.groups = d["groups"].cast<std::int64_t>();
  s.mask_token = d["mask_token"].cast<std::optional<std::string>>();
  s.counts_mask = d["counts_mask"].cast<bool>();
  s.first_unknown = d["first_unknown"].cast<std::int64_t>();
  s.unknown = d["unknown"].cast<std::int64_t>();
  s.salt = d["salt"].cast<std::vector<std::int64_t>>();
  s.vocabulary = d["vocabulary"].cast<std::vector<std::string>>();
  s.idf = d["idf"].cast<std::vector<double>>();
  return std::make_shared<const TextEncoder>(std::move(s));
}

namespace {

py::array predict_texts(const Model& model, const py::list& given) {
  if (!model.takes_text())
    throw py::value_error("Model.predict: expected an array of numbers, got a list; the model does not begin with "
                          "a layer on text");
  const py::tuple texts(given);  // holds them while the GIL is released
  const auto each = static_cast<std::size_t>(model.texts_per_row());
  if (texts.size() % each)
    throw py::value_error("Model.predict: expected " + std::to_string(each) + " texts for each row, got " +
                          std::to_string(texts.size()));
  std::vector<std::string_view> views;
  for (const py::handle text : texts) {
    if (!py::isinstance<py::str>(text))
      throw py::type_error("Model.predict: expected a flat list of str, got " + py::repr(text).cast<std::string>());
    py::ssize_t bytes = 0;
    const char* data = PyUnicode_AsUTF8AndSize(text.ptr(), &bytes);
    if (!data) throw py::error_already_set();
    views.emplace_back(data, static_cast<std::size_t>(bytes));
  }
  const auto n = static_cast<std::int64_t>(texts.size() / each);
  py::array y = rows_of(n, model.output_shape(), DType::float32);
  auto* out = static_cast<float*>(y.mutable_data());
  const py::gil_scoped_release release;
  model.predict(n, views.data(), out);
  return y;
}

}  // namespace

void bind_model(py::module_& m) {
  py::class_<Stream>(m, "Stream")
      .def_property_readonly("output_steps", &Stream::output_steps)
      .def("reset", alone(&Stream::reset))
      .def("run", [](Stream& stream, const py::array& x) {
        [[maybe_unused]] const Alone section(stream);
        check_rows(x, stream.input_shape(), stream.input_dtype(), "Stream.run");
        if (x.shape(0) != stream.rows())
          throw py::value_error("Stream.run: expected " + std::to_string(stream.rows()) + " rows, got " +
                                std::to_string(x.shape(0)));
        py::array y = rows_of(stream.rows(), stream.output_shape(), stream.output_dtype());
        const Status status = stream.run(x.data(), y.mutable_data());
        if (status != Status::ok) throw py::value_error(std::string("Stream.run: ") + to_text(status));
        return y;
      })
      .def("save", [](const Stream& stream) {
        [[maybe_unused]] const Alone section(stream);
        std::string bytes(stream.state_bytes(), '\0');
        stream.save(bytes.data());
        return py::bytes(bytes);
      })
      .def("restore", [](Stream& stream, const py::bytes& given) {
        const auto bytes = static_cast<std::string>(given);
        if (bytes.size() != stream.state_bytes())
          throw py::value_error("Stream.restore: expected " + std::to_string(stream.state_bytes()) + " bytes, got " +
                                std::to_string(bytes.size()));
        [[maybe_unused]] const Alone section(stream);
        stream.restore(bytes.data());
      });
  py::class_<Model>(m, "Model")
      .def("stream", &Model::stream, py::arg("rows") = 1, py::arg("steps") = 1)
      .def_static("load", [](const std::string& path, std::int64_t ops, std::int64_t bytes, double work) {
        return Model::load(path, {ops, bytes, work});
      }, py::arg("path"), py::kw_only(), py::arg("ops") = LoadLimits{}.ops, py::arg("bytes") = LoadLimits{}.bytes,
         py::arg("work") = LoadLimits{}.work)
      .def_property_readonly("input_shape", &Model::input_shape)
      .def_property_readonly("output_shape", &Model::output_shape)
      .def_property_readonly("takes_text", &Model::takes_text)
      .def_property_readonly("ops", [](const Model& model) {  // kinds, as in the file and put together
        std::set<std::string> kinds;
        for (const Program* program : {&model.program(), &model.session().program()})
          for (const OpSpec& op : program->spec().ops) kinds.insert(op.kind);
        return std::vector<std::string>(kinds.begin(), kinds.end());
      })
      .def("dump", [](const Model& model, std::int64_t n) { return model.program().dump(n); }, py::arg("rows") = 1)
      .def("predict", &predict_texts)
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
