// frugally-deep; a tensor is made for each call, as its interface asks.
#include <algorithm>
#include <fdeep/fdeep.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "case.h"

namespace {

struct Network {
  std::string name;
  fdeep::model model;
  fdeep::tensor_shape shape;
  std::size_t inputs;
};

void run(void* self, const float* in, float* out) {
  const Network& n = *static_cast<const Network*>(self);
  const fdeep::tensors y = n.model.predict({fdeep::tensor(n.shape, std::vector<float>(in, in + n.inputs))});
  const auto& values = *y.front().as_vector();
  std::copy(values.begin(), values.end(), out);
}

}  // namespace

const Case* cases(const char* folder) {
  static std::vector<Case> all;
  std::ifstream names(std::string(folder) + "/networks.txt");
  std::string name;
  while (names >> name) {
    fdeep::model model =
        fdeep::load_model(std::string(folder) + "/" + name + ".fdeep.json", false, fdeep::dev_null_logger);
    const fdeep::tensor_shape shape = model.get_dummy_input_shapes().front();
    const fdeep::tensor x(shape, 0.0f);
    const int outputs = static_cast<int>(model.predict({x}).front().as_vector()->size());
    auto* n = new Network{name, model, shape, x.as_vector()->size()};
    all.push_back({n->name.c_str(), "row", outputs, run, n});
  }
  all.push_back({});
  return all.data();
}
