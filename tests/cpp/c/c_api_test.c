/* The C interface: loads, predicts, runs in real time, streams, trains, and says what is wrong. */
#include <math.h>
#include <pyseq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int write_models(const char* classifier, const char* sequences);

static int failures = 0;

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);         \
      ++failures;                                                             \
    }                                                                         \
  } while (0)

static void predictions(const char* path) {
  pyseq_model* model = NULL;
  float x[12], y[9], z[9];
  int i;
  CHECK(pyseq_load(path, &model) == PYSEQ_OK);
  CHECK(pyseq_input(model).rank == 1 && pyseq_input(model).dims[0] == 4);
  CHECK(pyseq_output(model).size == 3 && pyseq_output(model).dtype == PYSEQ_FLOAT32);
  CHECK(pyseq_texts_per_row(model) == 0);
  for (i = 0; i < 12; ++i) x[i] = (float)i / 12;
  CHECK(pyseq_predict(model, 3, x, y) == PYSEQ_OK);
  CHECK(fabsf(y[0] + y[1] + y[2] - 1) < 1e-5f);
  CHECK(pyseq_predict(model, 0, NULL, NULL) == PYSEQ_OK);
  CHECK(pyseq_predict(model, 1, NULL, y) == PYSEQ_ERROR && strstr(pyseq_last_error(), "`x`"));
  CHECK(pyseq_predict_texts(model, 1, (const char* const[]){"a"}, y) == PYSEQ_ERROR);

  pyseq_session* session = NULL;
  pyseq_options options = {sizeof(pyseq_options), "cpu", 2, 1, "highest"};
  CHECK(pyseq_open_session(model, &options, &session) == PYSEQ_OK);
  CHECK(pyseq_session_run(session, 3, x, z) == PYSEQ_OK && memcmp(y, z, sizeof y) == 0);
  CHECK(pyseq_session_run(session, -1, x, z) == PYSEQ_TOO_MANY_ROWS);
  CHECK(pyseq_session_run(session, 1, x, NULL) == PYSEQ_ERROR && strstr(pyseq_last_error(), "`y`"));
  pyseq_free_session(session);
  CHECK(pyseq_open_session(model, NULL, &session) == PYSEQ_OK);
  pyseq_free_session(session);
  options.precision = "exact";
  CHECK(pyseq_open_session(model, &options, &session) == PYSEQ_ERROR && strstr(pyseq_last_error(), "precision"));
  options.precision = NULL;
  options.device = "tpu";
  CHECK(pyseq_open_session(model, &options, &session) == PYSEQ_ERROR && strstr(pyseq_last_error(), "device"));
  options.size = 3;
  CHECK(pyseq_open_session(model, &options, &session) == PYSEQ_ERROR && strstr(pyseq_last_error(), "sizeof"));

  pyseq_prepared* prepared = NULL;
  char* whole = malloc(pyseq_memory_bytes(model, 3) + 64);
  void* memory = whole + (64 - (uintptr_t)whole % 64) % 64;
  CHECK(pyseq_memory_bytes(model, 3) > 0);
  CHECK(pyseq_prepare(model, 3, memory, &prepared) == PYSEQ_OK);
  CHECK(pyseq_run(prepared, 3, x, z) == PYSEQ_OK && memcmp(y, z, sizeof y) == 0);
  CHECK(pyseq_run(prepared, 4, x, z) == PYSEQ_TOO_MANY_ROWS && strstr(pyseq_last_error(), "rows"));
  pyseq_free_prepared(prepared);
  free(whole);
  pyseq_free_model(model);
}

static void streams(const char* path) {
  pyseq_model* model = NULL;
  pyseq_stream* stream = NULL;
  float x[12], whole[12], step[2];
  char* state;
  int t;
  CHECK(pyseq_load(path, &model) == PYSEQ_OK);
  for (t = 0; t < 12; ++t) x[t] = (float)(t % 5) - 2;
  CHECK(pyseq_predict(model, 1, x, whole) == PYSEQ_OK);
  CHECK(pyseq_open_stream(model, 1, 1, &stream) == PYSEQ_OK);
  CHECK(pyseq_stream_output(stream).size == 2);
  state = malloc(pyseq_state_bytes(stream));
  for (t = 0; t < 6; ++t) {
    if (t == 3) pyseq_save_state(stream, state);
    CHECK(pyseq_step(stream, x + 2 * t, step) == PYSEQ_OK);
    CHECK(memcmp(step, whole + 2 * t, sizeof step) == 0);
  }
  pyseq_restore_state(stream, state);
  CHECK(pyseq_step(stream, x + 6, step) == PYSEQ_OK && memcmp(step, whole + 6, sizeof step) == 0);
  pyseq_reset(stream);
  CHECK(pyseq_step(stream, x, step) == PYSEQ_OK && memcmp(step, whole, sizeof step) == 0);
  free(state);
  pyseq_free_stream(stream);
  pyseq_free_model(model);
}

static void training(const char* path) {
  enum { kRows = 300 };
  static float x[kRows * 4];
  static int64_t y[kRows];
  double first = 0, last = 0, again = 0;
  pyseq_trainable *net = NULL, *read = NULL;
  float out[3];
  int i, k;
  for (i = 0; i < kRows; ++i) {
    y[i] = i % 3;
    for (k = 0; k < 4; ++k) x[4 * i + k] = (k == y[i]) + (float)((i * 7 + k * 13) % 11) / 40;
  }
  CHECK(pyseq_load_trainable(path, &net) == PYSEQ_OK);
  CHECK(pyseq_evaluate(net, kRows, x, PYSEQ_FLOAT32, y, PYSEQ_INT64, &first) == PYSEQ_OK);
  CHECK(pyseq_set_learning_rate(net, 0.05) == PYSEQ_OK);
  CHECK(pyseq_fit(net, kRows, x, PYSEQ_FLOAT32, y, PYSEQ_INT64, 10, 32, &last) == PYSEQ_OK);
  CHECK(first > 0.9 && last < 0.3);
  CHECK(pyseq_evaluate(net, kRows, x, PYSEQ_FLOAT32, y, PYSEQ_INT64, &last) == PYSEQ_OK);
  CHECK(pyseq_predict(pyseq_model_of(net), 1, x, out) == PYSEQ_OK && out[0] > out[1]);
  CHECK(pyseq_save(net, path) == PYSEQ_OK);
  CHECK(pyseq_load_trainable(path, &read) == PYSEQ_OK);
  CHECK(pyseq_evaluate(read, kRows, x, PYSEQ_FLOAT32, y, PYSEQ_INT64, &again) == PYSEQ_OK);
  CHECK(again == last);
  CHECK(pyseq_fit(net, 0, x, PYSEQ_FLOAT32, y, PYSEQ_INT64, 1, 32, NULL) == PYSEQ_ERROR);
  CHECK(pyseq_fit(net, 1, x, (pyseq_dtype)77, y, PYSEQ_INT64, 1, 32, NULL) == PYSEQ_ERROR);
  pyseq_free_trainable(read);
  pyseq_free_trainable(net);
}

static void errors(const char* path) {
  pyseq_model* model = NULL;
  char bytes[64];
  CHECK(pyseq_version() == PYSEQ_VERSION);
  CHECK(pyseq_load("there is no such file", &model) == PYSEQ_ERROR && model == NULL);
  CHECK(strstr(pyseq_last_error(), "there is no such file") != NULL);
  memset(bytes, 7, sizeof bytes);
  CHECK(pyseq_load_memory(bytes, sizeof bytes, &model) == PYSEQ_ERROR);
  CHECK(pyseq_load(NULL, &model) == PYSEQ_ERROR && strstr(pyseq_last_error(), "`path`"));
  CHECK(pyseq_load(path, NULL) == PYSEQ_ERROR);
  CHECK(pyseq_set_num_threads(0) == PYSEQ_ERROR);
  CHECK(pyseq_set_num_threads(1) == PYSEQ_OK);
  pyseq_free_model(NULL);
  pyseq_free_stream(NULL);
}

int main(void) {
  const char *classifier = "c_api_classifier.pyseq", *sequences = "c_api_sequences.pyseq";
  if (write_models(classifier, sequences)) return 1;
  errors(classifier);
  predictions(classifier);
  streams(sequences);
  training(classifier);
  remove(classifier);
  remove(sequences);
  if (!failures) puts("passed");
  return failures != 0;
}
