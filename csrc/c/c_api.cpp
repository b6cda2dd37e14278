// The C interface: handles around the C++ objects, and errors as numbers with a text.
#include <new>
#include <string>
#include <string_view>

#include "pyseq.h"
#include "pyseq/pyseq.h"

namespace {

thread_local std::string error_text;
thread_local const char* last_error = "no error";

// With a text that stays where it is: takes no memory.
pyseq_status failed_for(pyseq_status status, const char* constant) noexcept {
  last_error = constant;
  return status;
}

pyseq_status failed(pyseq_status status, const char* text) noexcept {
  try {
    error_text = text;
  } catch (...) {
    return failed_for(PYSEQ_NO_MEMORY, "expected memory for the text of an error, the system has none left");
  }
  return failed_for(status, error_text.c_str());
}

// What `body` throws, as a status.
template <class Body>
pyseq_status guarded(Body&& body) noexcept {
  try {
    return body();
  } catch (const pyseq::OutOfMemory& e) {
    return failed(PYSEQ_NO_MEMORY, e.what());
  } catch (const std::bad_alloc&) {
    return failed(PYSEQ_NO_MEMORY, "expected memory, the system has none left");
  } catch (const std::exception& e) {
    return failed(PYSEQ_ERROR, e.what());
  } catch (...) {
    return failed(PYSEQ_ERROR, "unknown error");
  }
}

pyseq_status null(const char* function, const char* argument) noexcept {
  try {
    return failed(PYSEQ_ERROR, (std::string(function) + ": expected `" + argument + "`, got NULL").c_str());
  } catch (...) {
    return PYSEQ_NO_MEMORY;
  }
}

// Of calls in real time, which take no memory.
pyseq_status converted(pyseq::Status status) noexcept {
  if (status == pyseq::Status::ok) return PYSEQ_OK;
  const char* text = pyseq::to_text(status);
  switch (status) {
    case pyseq::Status::too_many_rows: return failed_for(PYSEQ_TOO_MANY_ROWS, text);
    case pyseq::Status::bad_value: return failed_for(PYSEQ_BAD_VALUE, text);
    case pyseq::Status::stale: return failed_for(PYSEQ_STALE, text);
    default: return failed_for(PYSEQ_ERROR, text);
  }
}

pyseq_dtype dtype_of(pyseq::DType dtype) {
  switch (dtype) {
    case pyseq::DType::float64: return PYSEQ_FLOAT64;
    case pyseq::DType::int64: return PYSEQ_INT64;
    default: return PYSEQ_FLOAT32;
  }
}

pyseq_shape shape_of(const pyseq::Dims& dims, pyseq::DType dtype) {
  pyseq_shape shape{dims.data(), dims.size(), 1, dtype_of(dtype)};
  for (const std::int64_t d : dims) shape.size *= d;
  return shape;
}

pyseq::DType core_dtype(pyseq_dtype dtype) {
  switch (dtype) {
    case PYSEQ_FLOAT32: return pyseq::DType::float32;
    case PYSEQ_FLOAT64: return pyseq::DType::float64;
    case PYSEQ_INT64: return pyseq::DType::int64;
  }
  throw pyseq::Error("expected a dtype of pyseq_dtype, got " + std::to_string(static_cast<int>(dtype)));
}

}  // namespace

struct pyseq_model {
  pyseq::Model model;
};
struct pyseq_session {
  pyseq::Session session;
};
struct pyseq_prepared {
  pyseq::Prepared prepared;
};
struct pyseq_stream {
  pyseq::Stream stream;
  pyseq::Dims output;
};
struct pyseq_trainable {
  pyseq::TrainableModel model;
  pyseq_model inference;
};

namespace {

pyseq::TrainingData data_of(const pyseq_trainable& t, std::int64_t rows, const void* x, pyseq_dtype x_dtype,
                            const void* y, pyseq_dtype y_dtype) {
  if (rows < 1) throw pyseq::Error("expected 1 row or more, got " + std::to_string(rows));
  const auto size = [](const pyseq::Dims& dims) {
    std::int64_t n = 1;
    for (const std::int64_t d : dims) n *= d;
    return n;
  };
  pyseq::TrainingData data;
  data.rows = rows;
  data.x = {x, core_dtype(x_dtype), size(t.model.model().input_shape())};
  data.y = {y, core_dtype(y_dtype), size(t.model.target_shape())};
  return data;
}

pyseq_status run_rows(const char* function, pyseq::Session& session, std::int64_t rows, const void* x, void* y) {
  if (rows == 0) return PYSEQ_OK;
  if (rows > 0 && (!x || !y)) return null(function, x ? "y" : "x");
  return guarded([&] {
    if (rows < 0)
      return failed(PYSEQ_TOO_MANY_ROWS, (std::string(function) + ": expected 0 rows or more").c_str());
    const void* in[] = {x};
    void* out[] = {y};
    session.run(rows, in, out);
    return PYSEQ_OK;
  });
}

}  // namespace

int pyseq_version(void) { return PYSEQ_VERSION; }
const char* pyseq_last_error(void) { return last_error; }

pyseq_status pyseq_set_num_threads(int threads) {
  return guarded([&] {
    if (threads < 1) throw pyseq::Error("pyseq_set_num_threads: expected 1 or more, got " + std::to_string(threads));
    pyseq::set_num_threads(threads);
    return PYSEQ_OK;
  });
}

void pyseq_use_environment(void) { pyseq::use_environment(); }

pyseq_status pyseq_load(const char* path, pyseq_model** model) {
  if (!path) return null("pyseq_load", "path");
  if (!model) return null("pyseq_load", "model");
  return guarded([&] {
    *model = new pyseq_model{pyseq::Model::load(path)};
    return PYSEQ_OK;
  });
}

pyseq_status pyseq_load_memory(const void* data, size_t bytes, pyseq_model** model) {
  if (!data) return null("pyseq_load_memory", "data");
  if (!model) return null("pyseq_load_memory", "model");
  return guarded([&] {
    *model = new pyseq_model{pyseq::Model::from_memory(data, bytes)};
    return PYSEQ_OK;
  });
}

void pyseq_free_model(pyseq_model* model) { delete model; }

pyseq_shape pyseq_input(const pyseq_model* model) {
  return shape_of(model->model.input_shape(), model->model.input_dtype());
}

pyseq_shape pyseq_output(const pyseq_model* model) {
  return shape_of(model->model.output_shape(), model->model.output_dtype());
}

pyseq_status pyseq_predict(const pyseq_model* model, int64_t rows, const void* x, void* y) {
  if (!model) return null("pyseq_predict", "model");
  if (rows != 0 && model->model.takes_text())
    return failed_for(PYSEQ_ERROR, "pyseq_predict: expected texts, got numbers; call pyseq_predict_texts");
  return run_rows("pyseq_predict", model->model.session(), rows, x, y);
}

int64_t pyseq_texts_per_row(const pyseq_model* model) { return model->model.texts_per_row(); }

pyseq_status pyseq_predict_texts(const pyseq_model* model, int64_t rows, const char* const* texts, float* y) {
  if (!model) return null("pyseq_predict_texts", "model");
  if (rows < 0) return failed(PYSEQ_TOO_MANY_ROWS, "pyseq_predict_texts: expected 0 rows or more");
  if (rows == 0) return PYSEQ_OK;
  if (!texts || !y) return null("pyseq_predict_texts", texts ? "y" : "texts");
  return guarded([&] {
    const std::int64_t count = rows * model->model.texts_per_row();
    for (std::int64_t i = 0; i < count; ++i)
      if (!texts[i]) throw pyseq::Error("pyseq_predict_texts: expected a text, got NULL at " + std::to_string(i));
    const std::vector<std::string_view> views(texts, texts + count);
    model->model.predict(rows, views.data(), y);
    return PYSEQ_OK;
  });
}

pyseq_status pyseq_open_session(const pyseq_model* model, const pyseq_options* options, pyseq_session** session) {
  if (!model) return null("pyseq_open_session", "model");
  if (!session) return null("pyseq_open_session", "session");
  return guarded([&] {
    pyseq::SessionOptions o;
    if (options) {
      if (options->size != sizeof *options)
        throw pyseq::Error("pyseq_open_session: expected options of size " + std::to_string(sizeof *options) +
                           ", got " + std::to_string(options->size) + "; set it to sizeof(pyseq_options)");
      if (options->device) o.device = pyseq::Device::named(options->device);
      if (options->rows) o.rows = options->rows;
      o.threads = options->threads;
      if (options->precision) o.precision = options->precision;
    }
    *session = new pyseq_session{pyseq::Session(model->model, o)};
    return PYSEQ_OK;
  });
}

pyseq_status pyseq_session_run(pyseq_session* session, int64_t rows, const void* x, void* y) {
  if (!session) return null("pyseq_session_run", "session");
  return run_rows("pyseq_session_run", session->session, rows, x, y);
}

void pyseq_free_session(pyseq_session* session) { delete session; }

size_t pyseq_memory_bytes(const pyseq_model* model, int64_t max_rows) {
  std::size_t bytes = 0;
  guarded([&] {
    bytes = model->model.session().memory_bytes(max_rows);
    return PYSEQ_OK;
  });
  return bytes;
}

pyseq_status pyseq_prepare(const pyseq_model* model, int64_t max_rows, void* memory, pyseq_prepared** prepared) {
  if (!model) return null("pyseq_prepare", "model");
  if (!prepared) return null("pyseq_prepare", "prepared");
  return guarded([&] {
    *prepared = new pyseq_prepared{model->model.session().prepare(max_rows, memory)};
    return PYSEQ_OK;
  });
}

pyseq_status pyseq_run(pyseq_prepared* prepared, int64_t rows, const void* x, void* y) {
  return converted(prepared->prepared.run(rows, x, y));
}

void pyseq_free_prepared(pyseq_prepared* prepared) { delete prepared; }

pyseq_status pyseq_open_stream(const pyseq_model* model, int64_t rows, int64_t steps, pyseq_stream** stream) {
  if (!model) return null("pyseq_open_stream", "model");
  if (!stream) return null("pyseq_open_stream", "stream");
  return guarded([&] {
    pyseq::Stream opened = model->model.stream(rows, steps);
    pyseq::Dims output = opened.output_shape();
    *stream = new pyseq_stream{std::move(opened), std::move(output)};
    return PYSEQ_OK;
  });
}

pyseq_shape pyseq_stream_output(const pyseq_stream* stream) {
  return shape_of(stream->output, stream->stream.output_dtype());
}

pyseq_status pyseq_step(pyseq_stream* stream, const void* x, void* y) {
  return converted(stream->stream.run(x, y));
}

void pyseq_reset(pyseq_stream* stream) { stream->stream.reset(); }
size_t pyseq_state_bytes(const pyseq_stream* stream) { return stream->stream.state_bytes(); }
void pyseq_save_state(const pyseq_stream* stream, void* to) { stream->stream.save(to); }
void pyseq_restore_state(pyseq_stream* stream, const void* from) { stream->stream.restore(from); }
void pyseq_free_stream(pyseq_stream* stream) { delete stream; }

pyseq_status pyseq_load_trainable(const char* path, pyseq_trainable** trainable) {
  if (!path) return null("pyseq_load_trainable", "path");
  if (!trainable) return null("pyseq_load_trainable", "trainable");
  return guarded([&] {
    pyseq::TrainableModel model = pyseq::TrainableModel::load(path);
    pyseq_model inference{model.model()};
    *trainable = new pyseq_trainable{std::move(model), std::move(inference)};
    return PYSEQ_OK;
  });
}

pyseq_status pyseq_fit(pyseq_trainable* trainable, int64_t rows, const void* x, pyseq_dtype x_dtype, const void* y,
                       pyseq_dtype y_dtype, int64_t epochs, int64_t batch_size, double* loss) {
  if (!trainable) return null("pyseq_fit", "trainable");
  if (!x || !y) return null("pyseq_fit", x ? "y" : "x");
  return guarded([&] {
    pyseq::FitOptions options;
    options.epochs = epochs;
    options.batch_size = batch_size;
    const std::vector<pyseq::Epoch> done =
        trainable->model.fit(data_of(*trainable, rows, x, x_dtype, y, y_dtype), options);
    if (loss && !done.empty()) *loss = done.back().training.loss;
    return PYSEQ_OK;
  });
}

pyseq_status pyseq_evaluate(pyseq_trainable* trainable, int64_t rows, const void* x, pyseq_dtype x_dtype,
                            const void* y, pyseq_dtype y_dtype, double* loss) {
  if (!trainable) return null("pyseq_evaluate", "trainable");
  if (!x || !y) return null("pyseq_evaluate", x ? "y" : "x");
  return guarded([&] {
    const pyseq::Scores scores = trainable->model.evaluate(data_of(*trainable, rows, x, x_dtype, y, y_dtype));
    if (loss) *loss = scores.loss;
    return PYSEQ_OK;
  });
}

pyseq_status pyseq_set_learning_rate(pyseq_trainable* trainable, double rate) {
  if (!trainable) return null("pyseq_set_learning_rate", "trainable");
  return guarded([&] {
    trainable->model.set_learning_rate(rate);
    return PYSEQ_OK;
  });
}

const pyseq_model* pyseq_model_of(const pyseq_trainable* trainable) { return &trainable->inference; }

pyseq_status pyseq_save(const pyseq_trainable* trainable, const char* path) {
  if (!trainable) return null("pyseq_save", "trainable");
  if (!path) return null("pyseq_save", "path");
  return guarded([&] {
    trainable->model.save(path);
    return PYSEQ_OK;
  });
}

void pyseq_free_trainable(pyseq_trainable* trainable) { delete trainable; }
