/* pyseq from C, and from whatever binds C.
 *
 * Objects are opaque and end with pyseq_free_...; functions that can fail return a pyseq_status, and
 * pyseq_last_error() says why the last one that failed in this thread did. Arrays are contiguous, rows
 * outermost, in the dtype that the model's input and output have. A model answers any number of threads
 * at once; every other object takes one call at a time. C++ has more: <pyseq/pyseq.h>.
 *
 *     pyseq_model* model;
 *     if (pyseq_load("model.pyseq", &model)) return puts(pyseq_last_error());
 *     pyseq_predict(model, 1, x, y);
 *     pyseq_free_model(model);
 */
#ifndef PYSEQ_H
#define PYSEQ_H

#include <stddef.h>
#include <stdint.h>

#include "pyseq/version.h"

#if defined(_WIN32)
#if defined(PYSEQ_BUILDS_SHARED)
#define PYSEQ_C __declspec(dllexport)
#else
#define PYSEQ_C
#endif
#elif defined(__GNUC__)
#define PYSEQ_C __attribute__((visibility("default")))
#else
#define PYSEQ_C
#endif

#ifdef __cplusplus
extern "C" {
#define PYSEQ_INT_ENUM : int /* whatever number C hands over is a value of it */
#else
#define PYSEQ_INT_ENUM
#endif

typedef struct pyseq_model pyseq_model;
typedef struct pyseq_session pyseq_session;
typedef struct pyseq_prepared pyseq_prepared;
typedef struct pyseq_stream pyseq_stream;
typedef struct pyseq_trainable pyseq_trainable;

/* Numbers stay what they are; new ones may follow. */
typedef enum pyseq_status PYSEQ_INT_ENUM {
  PYSEQ_OK = 0,
  PYSEQ_ERROR = 1,         /* a file, a model or data are not as they have to be */
  PYSEQ_NO_MEMORY = 2,
  PYSEQ_TOO_MANY_ROWS = 3, /* more than were prepared for, or fewer than 0 */
  PYSEQ_BAD_VALUE = 4,     /* an id outside of its table */
  PYSEQ_STALE = 5          /* weights have changed: prepare again */
} pyseq_status;

typedef enum pyseq_dtype PYSEQ_INT_ENUM {
  PYSEQ_FLOAT32 = 0,
  PYSEQ_FLOAT64 = 1,
  PYSEQ_INT64 = 2
} pyseq_dtype;

/* Shape of one row of what goes in or comes out: dims[0, rank). */
typedef struct pyseq_shape {
  const int64_t* dims;
  size_t rank;
  int64_t size; /* their product */
  pyseq_dtype dtype;
} pyseq_shape;

/* Of the library that runs; PYSEQ_VERSION is that of this header: major * 10000 + minor * 100 + patch. */
PYSEQ_C int pyseq_version(void);
/* Never NULL; valid until the next call that fails in this thread. */
PYSEQ_C const char* pyseq_last_error(void);
/* Threads of a call; 1 and more. Without it the processors that there are. */
PYSEQ_C pyseq_status pyseq_set_num_threads(int threads);
/* From now on OMP_NUM_THREADS, PYSEQ_ISA and PYSEQ_DEVICE decide where the program says nothing; without it
 * they change nothing. */
PYSEQ_C void pyseq_use_environment(void);

/* A file that Python's model.export wrote, or its bytes, which outlive the model and do not change. */
PYSEQ_C pyseq_status pyseq_load(const char* path, pyseq_model** model);
PYSEQ_C pyseq_status pyseq_load_memory(const void* data, size_t bytes, pyseq_model** model);
PYSEQ_C void pyseq_free_model(pyseq_model* model); /* NULL is nothing, here and below */
/* Valid as long as the model. */
PYSEQ_C pyseq_shape pyseq_input(const pyseq_model* model);
PYSEQ_C pyseq_shape pyseq_output(const pyseq_model* model);
/* x: rows of the input's shape, y: room for rows of the output's. */
PYSEQ_C pyseq_status pyseq_predict(const pyseq_model* model, int64_t rows, const void* x, void* y);
/* Of a model that takes texts: how many make a row, 0 for others; UTF-8 that ends with 0. */
PYSEQ_C int64_t pyseq_texts_per_row(const pyseq_model* model);
PYSEQ_C pyseq_status pyseq_predict_texts(const pyseq_model* model, int64_t rows, const char* const* texts, float* y);

/* Inference that is told how to run. A session shares the model's weights, may outlive it and answers any
 * number of threads at once. 0 and NULL, also for the options as a whole: what is usual. */
typedef struct pyseq_options {
  size_t size;           /* sizeof(pyseq_options) */
  const char* device;    /* "cpu", "cuda", "cuda:1", ... */
  int64_t rows;          /* memory for calls of so many from the start */
  int threads;           /* most that a call uses */
  const char* precision; /* of matrix products: "highest", "high" or "medium" */
} pyseq_options;
PYSEQ_C pyseq_status pyseq_open_session(const pyseq_model* model, const pyseq_options* options, pyseq_session** session);
PYSEQ_C pyseq_status pyseq_session_run(pyseq_session* session, int64_t rows, const void* x, void* y);
PYSEQ_C void pyseq_free_session(pyseq_session* session);

/* Inference in real time: pyseq_run takes no memory, no lock, no time from the system. `memory`:
 * pyseq_memory_bytes(model, max_rows) bytes at a multiple of 64 that outlive it, or NULL for its own. */
PYSEQ_C size_t pyseq_memory_bytes(const pyseq_model* model, int64_t max_rows);
PYSEQ_C pyseq_status pyseq_prepare(const pyseq_model* model, int64_t max_rows, void* memory, pyseq_prepared** prepared);
PYSEQ_C pyseq_status pyseq_run(pyseq_prepared* prepared, int64_t rows, const void* x, void* y);
PYSEQ_C void pyseq_free_prepared(pyseq_prepared* prepared);

/* Sequences, `steps` time steps of `rows` sequences a call; states are kept from call to call. */
PYSEQ_C pyseq_status pyseq_open_stream(const pyseq_model* model, int64_t rows, int64_t steps, pyseq_stream** stream);
PYSEQ_C pyseq_shape pyseq_stream_output(const pyseq_stream* stream); /* of one row, steps included */
PYSEQ_C pyseq_status pyseq_step(pyseq_stream* stream, const void* x, void* y);
PYSEQ_C void pyseq_reset(pyseq_stream* stream);
PYSEQ_C size_t pyseq_state_bytes(const pyseq_stream* stream);
PYSEQ_C void pyseq_save_state(const pyseq_stream* stream, void* to);
PYSEQ_C void pyseq_restore_state(pyseq_stream* stream, const void* from);
PYSEQ_C void pyseq_free_stream(pyseq_stream* stream);

/* Training of a model that Python's model.export(path, training=True) or model.save("x.pyseq") wrote.
 * Inputs and targets in the dtypes that are said: float32, float64 or int64. */
PYSEQ_C pyseq_status pyseq_load_trainable(const char* path, pyseq_trainable** trainable);
PYSEQ_C pyseq_status pyseq_fit(pyseq_trainable* trainable, int64_t rows, const void* x, pyseq_dtype x_dtype,
                               const void* y, pyseq_dtype y_dtype, int64_t epochs, int64_t batch_size, double* loss);
PYSEQ_C pyseq_status pyseq_evaluate(pyseq_trainable* trainable, int64_t rows, const void* x, pyseq_dtype x_dtype,
                                    const void* y, pyseq_dtype y_dtype, double* loss);
PYSEQ_C pyseq_status pyseq_set_learning_rate(pyseq_trainable* trainable, double rate);
/* Its inference, with the weights of the moment; freed with it, not by pyseq_free_model. */
PYSEQ_C const pyseq_model* pyseq_model_of(const pyseq_trainable* trainable);
PYSEQ_C pyseq_status pyseq_save(const pyseq_trainable* trainable, const char* path);
PYSEQ_C void pyseq_free_trainable(pyseq_trainable* trainable);

#ifdef __cplusplus
}
#endif
#endif
