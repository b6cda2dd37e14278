#pragma once
// What the module of a GPU offers to the core: memory, streams, and the parts of a training step that
// the core itself does on the host. Every function with a DeviceStream only enqueues, unless it says that
// it waits. A lack of memory throws pyseq::OutOfMemory and leaves everything as it was.
#include <cstddef>
#include <cstdint>

#include "core/op.h"
#include "pyseq/variable.h"

namespace pyseq {

// What changes from one step to the next, in device memory, so that a captured step can be replayed.
struct StepState {
  std::uint64_t step;      // random numbers are a function of it
  std::int64_t iteration;  // updates done before this step
  std::int64_t batch;      // steps since the run began
  std::int64_t begin;      // position of the batch's first row
};

// dst[i] = row begin + i (through `order`, where there is one) of src, as float32.
struct DeviceGather {
  const void* src;
  DType dtype;
  Index row;  // elements
  const std::int64_t* order;
  Index rows;
  float* dst;
};

// scale[r] for each loss row, as the host's write_scales says it.
struct DeviceScales {
  Index n, rows_per_sample;
  const float* weights;  // (n, weight_row) or null
  Index weight_row;
  const float* mask;  // (n, mask_row) or null
  Index mask_row;
  const float* targets;  // for `ignores`
  bool ignores;
  float ignored;
  bool as_loss;
  int reduction;  // of pyseq::Reduction
  double weight;
  float* scale;
  double* count;  // += the sum of plain weights, unless as_loss
};

struct DevicePenalty {
  double l1, l2, orthogonal;
  bool rows;
  Shape shape;
  const float* w;
  float* g;       // its gradient is added, unless null
  double* value;  // += the penalty
};

struct DeviceConstraint {
  int kind;  // as KernelTable::constrain
  double min_value, max_value, rate;
  int axes[kMaxRank];
  int axis_count;
  Shape shape;
  float* w;
};

// A variable that an optimizer updates.
struct DeviceSegment {
  float* w;
  const float* g;
  float* slot[kMaxSlots];
  Index slot_size[kMaxSlots];
  Index n;
  Shape shape;
  double weight_decay;  // times the learning rate; 0 for none
};

struct DevicePiece {
  std::int32_t segment;
  Index begin, n;
};

// One update of all variables of one optimizer. The gradient that counts is
// clamp(g * grad_scale * (scale ? scale[segment] : 1), -clip, clip).
struct DeviceUpdates {
  const DeviceSegment* segments;         // host memory
  const DeviceSegment* device_segments;  // the same in device memory
  int count;
  const DevicePiece* pieces;  // device memory
  int piece_count;
  double grad_scale, clip;
  const double* scale;  // device memory, one a segment, or null
  const double* lr;     // device memory: lr[state->batch * lr_stride]
  Index lr_stride;
  // The update happens when (state->iteration + 1) % accumulation_steps == 0, and is number
  // state->iteration / accumulation_steps + 1; nothing happens while *skip is not 0.
  Index accumulation_steps;
  const int* skip;  // device memory, or null
  const StepState* state;
  const void* config_;
  float* scratch;  // what the optimizer's plan booked, in device memory

  template <class T>
  const T& config() const {
    return *static_cast<const T*>(config_);
  }
};

struct DeviceOptimizerDef {
  const char* kind;
  void (*plan)(Plan&);
  void (*update)(DeviceStream*, const DeviceUpdates&);
};

struct DeviceGraph;

struct DeviceTable {
  const char* name;  // "cuda:0"
  const char* description;
  std::size_t (*free_bytes)();

  // Before the calling thread enqueues anything.
  void (*enter)();
  void* (*allocate)(std::size_t bytes);
  void (*release)(void*);
  DeviceStream* (*open)(bool copies_only);  // for upload and download alone
  void (*close)(DeviceStream*);
  // Host memory may be used again when it returns.
  void (*upload)(DeviceStream*, void* to, const void* from, std::size_t bytes);
  // Waits for all that was enqueued before.
  void (*download)(DeviceStream*, void* to, const void* from, std::size_t bytes);
  void (*copy)(DeviceStream*, void* to, const void* from, std::size_t bytes);  // within the device
  void (*zero)(DeviceStream*, void*, std::size_t bytes);
  // Memory of the host that the device reads while the host goes on, and copies from it, ahead of the
  // kernels, through one of two buffers: what is enqueued later sees the copy; the buffer at `to` is
  // filled only when what was enqueued before mark_used(buffer) is done; the host may write to `from`
  // again after wait_filled(buffer).
  void* (*allocate_host)(std::size_t bytes);
  void (*release_host)(void*);
  void (*upload_ahead)(DeviceStream*, int buffer, void* to, const void* from, std::size_t bytes);
  void (*mark_used)(DeviceStream*, int buffer);
  void (*wait_filled)(DeviceStream*, int buffer);
  // Waits; throws what went wrong since the last wait.
  void (*wait)(DeviceStream*);
  StepState* (*state)(DeviceStream*);

  // A named range in the profilers' timelines, around the enqueueing of one op; null ends it.
  void (*range)(const char* name);
  // The device's microseconds for what is enqueued between the two; the second waits.
  void (*start_clock)(DeviceStream*);
  double (*stop_clock)(DeviceStream*);

  // Everything enqueued between the two becomes one graph, and is not run. Null: cannot be captured.
  void (*begin_capture)(DeviceStream*);
  DeviceGraph* (*end_capture)(DeviceStream*);
  void (*launch)(DeviceStream*, DeviceGraph*);
  void (*destroy)(DeviceGraph*);

  void (*gather)(DeviceStream*, const DeviceGather&);
  void (*add)(DeviceStream*, const float* src, float* dst, Index n);  // dst += src
  void (*scales)(DeviceStream*, const DeviceScales&);
  // *total += sum of values[r] * scale[r] over the rows whose scale is not 0
  void (*weighted_sum)(DeviceStream*, const float* values, const float* scale, Index rows, double* total);
  // total[0] += n * (loss + sum of added[0, count)), total[1] += n; loss = 0; the state moves on by
  // one step of n rows
  void (*finish_step)(DeviceStream*, double* loss, const double* added, int count, Index n, double* total);
  void (*penalty)(DeviceStream*, const DevicePenalty&);
  void (*constrain)(DeviceStream*, const DeviceConstraint&);
  // *skip = 1 if any of g is not finite
  void (*find_non_finite)(DeviceStream*, const float* g, Index n, int* skip);
  // scale[segment] so that norms (each, or together) stay within the limits; 0: no limit.
  void (*clip_norms)(DeviceStream*, const DeviceUpdates&, double each, double together, double* scale);
  // Accumulated gradients: a += g, unless *skip; and back to 0 after the update.
  void (*accumulate)(DeviceStream*, const DeviceUpdates&, const float* g, float* a, Index n);
  void (*reset_accumulator)(DeviceStream*, const DeviceUpdates&, float* a, Index n);
  // Exponential moving average: a = m a + (1 - m) w (a = w at first); w = a every `overwrite`
  // updates, 0 for never. Takes place whatever accumulation says, unless *skip.
  void (*average)(DeviceStream*, const DeviceUpdates&, double momentum, Index overwrite, float* w, float* a,
                  Index n);

  const DeviceOptimizerDef* const* optimizers;
  int optimizer_count;
};

const DeviceOptimizerDef* find_optimizer(const DeviceTable&, const char* kind);

// The copy of a variable on a GPU, up to date; `writes`: all others are old from now on.
void* on_device(Variable& v, const DeviceTable& device, bool writes);

}  // namespace pyseq
