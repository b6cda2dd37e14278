#pragma once
// The parts of a training step that are not ops: see DeviceTable in core/device.h.
#include "cuda/cuda.h"

namespace pyseq::cuda {

void gather(Stream* s, const DeviceGather& g);
void add(Stream* s, const float* src, float* dst, Index n);
void scales(Stream* s, const DeviceScales& d);
void weighted_sum(Stream* s, const float* values, const float* scale, Index rows, double* total);
void finish_step(Stream* s, double* loss, const double* added, int count, Index n, double* total);
void penalty(Stream* s, const DevicePenalty& p);
void constrain(Stream* s, const DeviceConstraint& c);
void find_non_finite(Stream* s, const float* g, Index n, int* skip);
void clip_norms(Stream* s, const DeviceUpdates& u, double each, double together, double* scale);
void accumulate(Stream* s, const DeviceUpdates& u, const float* g, float* a, Index n);
void reset_accumulator(Stream* s, const DeviceUpdates& u, float* a, Index n);
void average(Stream* s, const DeviceUpdates& u, double momentum, Index overwrite, float* w, float* a,
             Index n);

}  // namespace pyseq::cuda
