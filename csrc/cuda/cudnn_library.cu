#include <cstdlib>
#include <cstring>
#include <string>

#include "core/platform.h"
#include "cuda/cudnn.h"

namespace pyseq::cuda {
namespace {

template <class F>
bool find(void* library, const char* name, F*& to) {
  to = reinterpret_cast<F*>(platform::symbol(library, name));
  return to != nullptr;
}

bool load(Cudnn& c) {
  const char* wanted = std::getenv("PYSEQ_CUDNN");
  if (wanted && !std::strcmp(wanted, "0")) return false;
  std::string why;
  void* const lib = platform::load_library("libcudnn.so.9", why);
  if (!lib) return false;
  return find(lib, "cudnnCreate", c.create) && find(lib, "cudnnDestroy", c.destroy) &&
         find(lib, "cudnnSetStream", c.set_stream) &&
         find(lib, "cudnnCreateTensorDescriptor", c.create_tensor) &&
         find(lib, "cudnnDestroyTensorDescriptor", c.destroy_tensor) &&
         find(lib, "cudnnSetTensorNdDescriptorEx", c.set_tensor) &&
         find(lib, "cudnnCreateFilterDescriptor", c.create_filter) &&
         find(lib, "cudnnDestroyFilterDescriptor", c.destroy_filter) &&
         find(lib, "cudnnSetFilterNdDescriptor", c.set_filter) &&
         find(lib, "cudnnCreateConvolutionDescriptor", c.create_convolution) &&
         find(lib, "cudnnDestroyConvolutionDescriptor", c.destroy_convolution) &&
         find(lib, "cudnnSetConvolutionNdDescriptor", c.set_convolution) &&
         find(lib, "cudnnSetConvolutionGroupCount", c.set_groups) &&
         find(lib, "cudnnSetConvolutionMathType", c.set_math) &&
         find(lib, "cudnnGetConvolutionForwardAlgorithm_v7", c.propose_forward) &&
         find(lib, "cudnnGetConvolutionBackwardDataAlgorithm_v7", c.propose_data) &&
         find(lib, "cudnnGetConvolutionBackwardFilterAlgorithm_v7", c.propose_weights) &&
         find(lib, "cudnnConvolutionForward", c.forward) &&
         find(lib, "cudnnConvolutionBackwardData", c.data) &&
         find(lib, "cudnnConvolutionBackwardFilter", c.weights);
}

}  // namespace

const Cudnn* cudnn() {
  static Cudnn functions{};
  static const bool found = load(functions);
  return found ? &functions : nullptr;
}

}  // namespace pyseq::cuda
