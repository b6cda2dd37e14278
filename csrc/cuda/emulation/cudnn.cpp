// cuDNN's convolutions on the host, as strict as the library about what it does not support.
#include "cuda/cudnn.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace pyseq::cuda {

struct CudnnHandle {
  cudaStream_t stream = nullptr;
};
struct CudnnTensor {
  std::vector<int> size;
};
struct CudnnFilter {
  std::vector<int> size;
};
struct CudnnConvolution {
  std::vector<int> pad, stride, dilation;
  int groups = 1, math = -1;
};

namespace {

constexpr int kBadParameter = 2000;
constexpr std::size_t kWorkspace = 4096;
std::atomic<long> calls{0};

template <class T>
int make(T** to) {
  *to = new T;
  return kCudnnSuccess;
}
template <class T>
int unmake(T* p) {
  delete p;
  return kCudnnSuccess;
}

int set_size(std::vector<int>& to, int layout, int type, int rank, const int* size) {
  if (layout != kCudnnChannelsLast || type != kCudnnFloat || rank < 4 || rank > 5) return kBadParameter;
  for (int k = 0; k < rank; ++k)
    if (size[k] < 1) return kBadParameter;
  to.assign(size, size + rank);
  return kCudnnSuccess;
}

bool fits(const CudnnTensor& x, const CudnnFilter& w, const CudnnConvolution& c, const CudnnTensor& y) {
  const std::size_t rank = x.size.size();
  if (w.size.size() != rank || y.size.size() != rank || c.pad.size() + 2 != rank) return false;
  if (c.math != kCudnnDefaultMath && c.math != kCudnnTensorMath && c.math != kCudnnFmaMath) return false;
  if (x.size[0] != y.size[0] || x.size[1] != w.size[1] * c.groups || y.size[1] != w.size[0] ||
      w.size[0] % c.groups)
    return false;
  for (std::size_t k = 0; k + 2 < rank; ++k) {
    const int room = x.size[k + 2] + 2 * c.pad[k] - ((w.size[k + 2] - 1) * c.dilation[k] + 1);
    if (room < 0 || room / c.stride[k] + 1 != y.size[k + 2]) return false;
  }
  return true;
}

// The fastest is none that gives the same bits in every run, the next has more appetite than anybody.
int propose(const CudnnTensor& x, const CudnnFilter& w, const CudnnConvolution& c, const CudnnTensor& y,
            int most, int* count, CudnnAlgorithm* to) {
  if (!fits(x, w, c, y) || most < 3) return kBadParameter;
  *count = 3;
  const int math = c.math == kCudnnDefaultMath ? kCudnnTensorMath : c.math;
  to[0] = {0, kCudnnSuccess, 1, 0, 0, math, {}};
  to[1] = {5, kCudnnSuccess, 2, std::size_t{1} << 40, kCudnnDeterministic, math, {}};
  to[2] = {1, kCudnnSuccess, 3, kWorkspace, kCudnnDeterministic, math, {}};
  return kCudnnSuccess;
}

// f(element of x, of w, of y) for every product of the convolution.
template <class F>
void each_product(const CudnnTensor& x, const CudnnFilter& w, const CudnnConvolution& c, const CudnnTensor& y,
                  F f) {
  const auto three = [](const std::vector<int>& v, std::size_t first, int fill) {
    std::vector<int> r(3, fill);
    for (std::size_t k = v.size(); k-- > first;) r[3 - (v.size() - k)] = v[k];
    return r;
  };
  const auto in = three(x.size, 2, 1), out = three(y.size, 2, 1), taps = three(w.size, 2, 1);
  const auto pad = three(c.pad, 0, 0), stride = three(c.stride, 0, 1), dilation = three(c.dilation, 0, 1);
  const int channels = w.size[1], filters = w.size[0], per_group = filters / c.groups;
  const Index pixels = Index{1} * out[0] * out[1] * out[2], all_taps = Index{1} * taps[0] * taps[1] * taps[2];
  for (Index n = 0; n < x.size[0]; ++n)
    for (Index o = 0; o < pixels; ++o)
      for (Index t = 0; t < all_taps; ++t) {
        const Index at[3] = {o / (out[1] * out[2]), o / out[2] % out[1], o % out[2]};
        const Index tap[3] = {t / (taps[1] * taps[2]), t / taps[2] % taps[1], t % taps[2]};
        Index from = n;
        bool inside = true;
        for (std::size_t k = 0; k < 3; ++k) {
          const Index i = at[k] * stride[k] + tap[k] * dilation[k] - pad[k];
          inside = inside && i >= 0 && i < in[k];
          from = from * in[k] + i;
        }
        for (Index j = 0; inside && j < filters; ++j)
          for (Index i = 0; i < channels; ++i)
            f(from * x.size[1] + j / per_group * channels + i, (j * all_taps + t) * channels + i,
              (n * pixels + o) * filters + j);
      }
}

std::size_t count(const std::vector<int>& size) {
  std::size_t n = 1;
  for (const int s : size) n *= static_cast<std::size_t>(s);
  return n;
}

void store(const std::vector<double>& from, void* to) {
  for (std::size_t i = 0; i < from.size(); ++i) static_cast<float*>(to)[i] = static_cast<float>(from[i]);
}

bool aligned(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; }

// What every one of the three demands; the library writes into its workspace.
bool accepts(CudnnHandle* h, const CudnnConvolution& convolution, const void* alpha, const void* beta,
             int algo, void* workspace, std::size_t bytes, const void* a, const void* b, const void* c) {
  if (convolution.math == kCudnnDefaultMath || *static_cast<const float*>(alpha) != 1 ||
      *static_cast<const float*>(beta) != 0 || algo != 1 || bytes < kWorkspace || !aligned(a) ||
      !aligned(b) || !aligned(c))
    return false;
  ++calls;
  h->stream->enqueue([=] { std::memset(workspace, 0xff, bytes); });
  return true;
}

int forward(CudnnHandle* h, const void* alpha, CudnnTensor* xd, const void* x, CudnnFilter* wd, const void* w,
            CudnnConvolution* cd, int algo, void* workspace, std::size_t bytes, const void* beta,
            CudnnTensor* yd, void* y) {
  if (!fits(*xd, *wd, *cd, *yd) || !accepts(h, *cd, alpha, beta, algo, workspace, bytes, x, w, y))
    return kBadParameter;
  h->stream->enqueue([=, xd = *xd, wd = *wd, cd = *cd, yd = *yd] {
    std::vector<double> sum(count(yd.size));
    each_product(xd, wd, cd, yd, [&](Index i, Index j, Index k) {
      sum[k] += static_cast<double>(static_cast<const float*>(x)[i]) *
                static_cast<double>(static_cast<const float*>(w)[j]);
    });
    store(sum, y);
  });
  return kCudnnSuccess;
}

int data(CudnnHandle* h, const void* alpha, CudnnFilter* wd, const void* w, CudnnTensor* yd, const void* dy,
         CudnnConvolution* cd, int algo, void* workspace, std::size_t bytes, const void* beta,
         CudnnTensor* xd, void* dx) {
  if (!fits(*xd, *wd, *cd, *yd) || !accepts(h, *cd, alpha, beta, algo, workspace, bytes, dx, w, dy))
    return kBadParameter;
  h->stream->enqueue([=, xd = *xd, wd = *wd, cd = *cd, yd = *yd] {
    std::vector<double> sum(count(xd.size));
    each_product(xd, wd, cd, yd, [&](Index i, Index j, Index k) {
      sum[i] += static_cast<double>(static_cast<const float*>(w)[j]) *
                static_cast<double>(static_cast<const float*>(dy)[k]);
    });
    store(sum, dx);
  });
  return kCudnnSuccess;
}

int weights(CudnnHandle* h, const void* alpha, CudnnTensor* xd, const void* x, CudnnTensor* yd,
            const void* dy, CudnnConvolution* cd, int algo, void* workspace, std::size_t bytes,
            const void* beta, CudnnFilter* wd, void* dw) {
  if (!fits(*xd, *wd, *cd, *yd) || !accepts(h, *cd, alpha, beta, algo, workspace, bytes, x, dw, dy))
    return kBadParameter;
  h->stream->enqueue([=, xd = *xd, wd = *wd, cd = *cd, yd = *yd] {
    std::vector<double> sum(count(wd.size));
    each_product(xd, wd, cd, yd, [&](Index i, Index j, Index k) {
      sum[j] += static_cast<double>(static_cast<const float*>(x)[i]) *
                static_cast<double>(static_cast<const float*>(dy)[k]);
    });
    store(sum, dw);
  });
  return kCudnnSuccess;
}

}  // namespace

const Cudnn* cudnn() {
  static const Cudnn functions{
      make<CudnnHandle>,
      unmake<CudnnHandle>,
      [](CudnnHandle* h, cudaStream_t s) {
        h->stream = s;
        return kCudnnSuccess;
      },
      make<CudnnTensor>,
      unmake<CudnnTensor>,
      [](CudnnTensor* t, int layout, int type, int rank, const int* size) {
        return set_size(t->size, layout, type, rank, size);
      },
      make<CudnnFilter>,
      unmake<CudnnFilter>,
      [](CudnnFilter* f, int type, int layout, int rank, const int* size) {
        return set_size(f->size, layout, type, rank, size);
      },
      make<CudnnConvolution>,
      unmake<CudnnConvolution>,
      [](CudnnConvolution* c, int rank, const int* pad, const int* stride, const int* dilation, int mode,
         int type) {
        if (rank < 2 || mode != kCudnnCrossCorrelation || type != kCudnnFloat) return kBadParameter;
        for (int k = 0; k < rank; ++k)
          if (pad[k] < 0 || stride[k] < 1 || dilation[k] < 1) return kBadParameter;
        c->pad.assign(pad, pad + rank);
        c->stride.assign(stride, stride + rank);
        c->dilation.assign(dilation, dilation + rank);
        return kCudnnSuccess;
      },
      [](CudnnConvolution* c, int groups) {
        c->groups = groups;
        return kCudnnSuccess;
      },
      [](CudnnConvolution* c, int math) {
        c->math = math;
        return kCudnnSuccess;
      },
      [](CudnnHandle*, CudnnTensor* x, CudnnFilter* w, CudnnConvolution* c, CudnnTensor* y, int most,
         int* count, CudnnAlgorithm* to) { return propose(*x, *w, *c, *y, most, count, to); },
      [](CudnnHandle*, CudnnFilter* w, CudnnTensor* y, CudnnConvolution* c, CudnnTensor* x, int most,
         int* count, CudnnAlgorithm* to) { return propose(*x, *w, *c, *y, most, count, to); },
      [](CudnnHandle*, CudnnTensor* x, CudnnTensor* y, CudnnConvolution* c, CudnnFilter* w, int most,
         int* count, CudnnAlgorithm* to) { return propose(*x, *w, *c, *y, most, count, to); },
      forward,
      data,
      weights};
  const char* wanted = std::getenv("PYSEQ_CUDNN");
  return wanted && !std::strcmp(wanted, "0") ? nullptr : &functions;
}

}  // namespace pyseq::cuda

// For tests: how many convolutions came here.
extern "C" __attribute__((visibility("default"))) long pyseq_emulated_cudnn_calls() {
  return pyseq::cuda::calls;
}
