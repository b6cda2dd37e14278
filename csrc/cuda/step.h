#pragma once
// The parts of a training step that are not ops: see DeviceTable in core/device.h.
#include "cuda/cuda.h"

namespace pyseq::cuda {

void gather(DeviceStream* s, const DeviceGather& g);
void add(DeviceStream* s, const float* src, float* dst, Index n);
void scales(DeviceStream* s, const DeviceScales& d);
void weighted_sum(DeviceStream* s, const float* values, const float* scale, Index rows, double* total);
void finish_step(DeviceStream* s, double* loss, const double* added, int count, Index n, double* total);
void penalty(DeviceStream* s, const DevicePenalty& p);
void constrain(DeviceStream* s, const DeviceConstraint& c);
void find_non_finite(DeviceStream* s, const float* g, Index n, int* skip);
void clip_norms(DeviceStream* s, const DeviceUpdates& u, double each, double together, double* scale);
void accumulate(DeviceStream* s, const DeviceUpdates& u, const float* g, float* a, Index n);
void reset_accumulator(DeviceStream* s, const DeviceUpdates& u, float* a, Index n);
void average(DeviceStream* s, const DeviceUpdates& u, double momentum, Index overwrite, float* w, float* a,
             Index n);

}  // namespace pyseq::cuda
