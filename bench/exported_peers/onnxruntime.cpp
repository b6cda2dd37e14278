// ONNX Runtime by its C API, one thread; the tensors are made beforehand.
#include <onnxruntime_c_api.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "case.h"

namespace {

const OrtApi* api;

void check(OrtStatus* status) {
  if (status == nullptr) return;
  std::fprintf(stderr, "%s\n", api->GetErrorMessage(status));
  std::exit(1);
}

struct Tensor {
  std::vector<float> data;
  OrtValue* value = nullptr;
};

struct Network {
  OrtSession* session = nullptr;
  std::string name;
  char *input = nullptr, *output = nullptr;
  Tensor x, y;
};

void make(Tensor& t, OrtTypeInfo* type) {
  const OrtTensorTypeAndShapeInfo* info = nullptr;
  check(api->CastTypeInfoToTensorInfo(type, &info));
  std::size_t rank = 0, n = 1;
  check(api->GetDimensionsCount(info, &rank));
  std::vector<std::int64_t> shape(rank);
  check(api->GetDimensions(info, shape.data(), rank));
  for (std::int64_t& d : shape) n *= static_cast<std::size_t>(d = d < 1 ? 1 : d);
  t.data.resize(n);
  OrtMemoryInfo* memory = nullptr;
  check(api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &memory));
  check(api->CreateTensorWithDataAsOrtValue(memory, t.data.data(), n * sizeof(float), shape.data(), rank,
                                            ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &t.value));
}

void run(void* self, const float* in, float* out) {
  Network& n = *static_cast<Network*>(self);
  std::memcpy(n.x.data.data(), in, n.x.data.size() * sizeof(float));
  check(api->Run(n.session, nullptr, &n.input, &n.x.value, 1, &n.output, 1, &n.y.value));
  std::memcpy(out, n.y.data.data(), n.y.data.size() * sizeof(float));
}

}  // namespace

const Case* cases(const char* folder) {
  static std::vector<Case> all;
  api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  OrtEnv* env = nullptr;
  check(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "bench", &env));
  OrtSessionOptions* options = nullptr;
  check(api->CreateSessionOptions(&options));
  check(api->SetIntraOpNumThreads(options, 1));
  check(api->SetInterOpNumThreads(options, 1));
  OrtAllocator* allocator = nullptr;
  check(api->GetAllocatorWithDefaultOptions(&allocator));
  std::ifstream names(std::string(folder) + "/networks.txt");
  std::string name;
  while (names >> name) {
    auto* n = new Network{};
    n->name = name;
    check(api->CreateSession(env, (std::string(folder) + "/" + name + ".onnx").c_str(), options, &n->session));
    check(api->SessionGetInputName(n->session, 0, allocator, &n->input));
    check(api->SessionGetOutputName(n->session, 0, allocator, &n->output));
    OrtTypeInfo* type = nullptr;
    check(api->SessionGetInputTypeInfo(n->session, 0, &type));
    make(n->x, type);
    check(api->SessionGetOutputTypeInfo(n->session, 0, &type));
    make(n->y, type);
    all.push_back({n->name.c_str(), "row", static_cast<int>(n->y.data.size()), run, n});
  }
  all.push_back({});
  return all.data();
}
