// RTNeural's models of fixed sizes, one time step a call. The backend is chosen by RTNEURAL_USE_EIGEN, ..._XSIMD
// or neither.
#include <RTNeural/RTNeural.h>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "case.h"

namespace {

using namespace RTNeural;

std::vector<Case> all;

template <class M>
M* loaded(const std::string& folder, const char* name) {
  static M m;
  std::ifstream file(folder + "/" + name + ".json", std::ifstream::binary);
  m.parseJson(file);
  m.reset();
  return &m;
}

template <class M>
void add(const char* folder, const char* name) {
  const auto call = [](void* self, const float* in, float* out) {
    M& m = *static_cast<M*>(self);
    m.forward(in);
    std::memcpy(out, m.getOutputs(), sizeof(float) * M::output_size);
  };
  all.push_back({name, "step", M::output_size, call, loaded<M>(folder, name)});
}

// All frames of an image, each aligned for its vectors; the first two answers are of windows that begin before it.
template <class M, int Frames>
void add_image(const char* folder, const char* name) {
  const auto call = [](void* self, const float* in, float* out) {
    M& m = *static_cast<M*>(self);
    alignas(RTNEURAL_DEFAULT_ALIGNMENT) float frame[M::input_size];
    for (int t = 0; t < Frames; ++t) {
      std::memcpy(frame, in + t * M::input_size, sizeof frame);
      m.forward(frame);
      if (t > 1) std::memcpy(out + (t - 2) * M::output_size, m.getOutputs(), sizeof(float) * M::output_size);
    }
  };
  all.push_back({name, "row", (Frames - 2) * M::output_size, call, loaded<M>(folder, name)});
}

template <int N>
using Lstm = ModelT<float, N, N, LSTMLayerT<float, N, N>>;
using Conv = Conv1DT<float, 8, 8, 3, 1>;
using Relu = ReLuActivationT<float, 8>;

}  // namespace

const Case* cases(const char* folder) {
  add<ModelT<float, 32, 32, DenseT<float, 32, 32>, TanhActivationT<float, 32>>>(folder, "dense_32");
  all.back().way = "row";
  add<Lstm<16>>(folder, "lstm_16");
  add<Lstm<32>>(folder, "lstm_32");
  add<Lstm<64>>(folder, "lstm_64");
  add<ModelT<float, 32, 32, GRULayerT<float, 32, 32>>>(folder, "gru_32");
  add<ModelT<float, 8, 8, Conv, Relu, Conv, Relu, Conv, Relu>>(folder, "conv1d_stack");
#if RTNEURAL_USE_EIGEN
  using Image = Conv2DT<float, 1, 32, 28, 3, 3, 1, 1, true>;
  add_image<ModelT2D<float, 1, 28, 32, 26, Image, ReLuActivationT<float, 32 * 26>>, 28>(folder, "conv2d");
#endif
  all.push_back({});
  return all.data();
}
