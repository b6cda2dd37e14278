#pragma once
#include "cuda/cuda.h"

namespace pyseq::cuda {

void describe(int device, char* to, std::size_t size);
void range(const char* name);
void start_clock(DeviceStream* s);
void begin_capture(DeviceStream* s);
DeviceGraph* end_capture(DeviceStream* s);
void launch(DeviceStream* s, DeviceGraph* graph);
void destroy(DeviceGraph* graph);

}  // namespace pyseq::cuda
