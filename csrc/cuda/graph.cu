// A step captured once and replayed.
#include <cstdio>

#include "cuda/graph.h"

#ifndef PYSEQ_CUDA_EMULATION
#include <nvtx3/nvToolsExt.h>
#endif

namespace pyseq {

struct DeviceGraph {
  cudaGraphExec_t exec = nullptr;
};

namespace cuda {

#ifdef PYSEQ_CUDA_EMULATION
void describe(int, char* to, std::size_t size) { std::snprintf(to, size, "emulated on the host"); }
void range(const char*) {}
void start_clock(DeviceStream* s) { s->note(cudaEventRecord(s->clock[0], s->handle), "event"); }
void begin_capture(DeviceStream* s) { s->handle->capture = new emulation::Work; }
DeviceGraph* end_capture(DeviceStream* s) {
  auto* graph = new DeviceGraph{s->handle->capture};
  s->handle->capture = nullptr;
  return graph;
}
void launch(DeviceStream*, DeviceGraph* graph) {
  for (const auto& work : *graph->exec) work();
}
void destroy(DeviceGraph* graph) {
  if (graph) delete graph->exec;
  delete graph;
}
#else
void describe(int device, char* to, std::size_t size) {
  cudaDeviceProp p{};
  if (cudaGetDeviceProperties(&p, device) != cudaSuccess) p.name[0] = 0;
  std::snprintf(to, size, "%s, compute capability %d.%d", p.name, p.major, p.minor);
}

void range(const char* name) {
  if (name) nvtxRangePushA(name);
  else nvtxRangePop();
}

// Keeps the device busy while the host enqueues what is measured: gaps between launches would count.
__global__ void delay() {
  const long long until = clock64() + 100000;
  while (clock64() < until) {
  }
}

void start_clock(DeviceStream* s) {
  delay<<<1, 1, 0, s->handle>>>();
  s->note(cudaEventRecord(s->clock[0], s->handle), "event");
}

void begin_capture(DeviceStream* s) {
  s->note(cudaStreamBeginCapture(s->handle, cudaStreamCaptureModeThreadLocal), "graph capture");
}

DeviceGraph* end_capture(DeviceStream* s) {
  cudaGraph_t graph = nullptr;
  auto* result = new DeviceGraph;
  cudaError_t e = cudaStreamEndCapture(s->handle, &graph);
  if (e == cudaSuccess) e = cudaGraphInstantiate(&result->exec, graph, 0);
  if (graph) cudaGraphDestroy(graph);
  if (e == cudaSuccess && s->failed == cudaSuccess) return result;
  // The step runs without a graph; an error of its own shows there.
  cudaGetLastError();
  s->failed = cudaSuccess;
  if (result->exec) cudaGraphExecDestroy(result->exec);
  delete result;
  return nullptr;
}

void launch(DeviceStream* s, DeviceGraph* graph) { s->note(cudaGraphLaunch(graph->exec, s->handle), "graph"); }

void destroy(DeviceGraph* graph) {
  if (graph && graph->exec) cudaGraphExecDestroy(graph->exec);
  delete graph;
}
#endif

}  // namespace cuda
}  // namespace pyseq
