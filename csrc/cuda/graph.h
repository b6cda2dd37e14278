#pragma once
#include "cuda/cuda.h"

namespace pyseq::cuda {

void describe(int device, char* to, std::size_t size);
void range(const char* name);
void start_clock(Stream* s);
void begin_capture(Stream* s);
DeviceGraph* end_capture(Stream* s);
void launch(Stream* s, DeviceGraph* graph);
void destroy(DeviceGraph* graph);

}  // namespace pyseq::cuda
