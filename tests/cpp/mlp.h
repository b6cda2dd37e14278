#pragma once
// A small classifier and data for it.
#include <random>
#include <string>
#include <vector>

#include "core/trainer.h"
#include "pyseq/pyseq.h"

using namespace pyseq;

inline VariablePtr variable(Dims shape, unsigned seed) {
  auto v = std::make_shared<Variable>(std::move(shape), DType::float32);
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-0.5f, 0.5f);
  for (std::int64_t i = 0; i < v->size(); ++i) static_cast<float*>(v->data())[i] = uniform(random);
  return v;
}

// x (8) -> dense 32 relu -> dense 3 softmax
inline ProgramSpec mlp(bool training) {
  ProgramSpec spec;
  spec.training = training;
  spec.slots = {{8}, {32}, {3}, {3}};
  const auto dense = [](const char* name, int in, int out, int w, std::int64_t units, const char* act) {
    OpSpec op;
    op.kind = "dense";
    op.name = name;
    op.inputs = {in};
    op.outputs = {out};
    op.params = {w, w + 1};
    op.attributes = {{"units", units}, {"use_bias", std::int64_t{1}}, {"activation", std::string(act)}};
    return op;
  };
  spec.ops.push_back(dense("hidden", 0, 1, 0, 32, "relu"));
  spec.ops.push_back(dense("logits", 1, 2, 2, 3, "linear"));
  OpSpec softmax;
  softmax.kind = softmax.name = "softmax";
  softmax.inputs = {2};
  softmax.outputs = {3};
  softmax.attributes = {{"axes", std::vector<std::int64_t>{0}}};
  spec.ops.push_back(softmax);
  spec.inputs = {0};
  spec.outputs = {3};
  spec.variables = {{"w1", {8, 32}, true}, {"b1", {32}, true}, {"w2", {32, 3}, true}, {"b2", {3}, true}};
  return spec;
}

inline std::vector<VariablePtr> mlp_variables() {
  return {variable({8, 32}, 1), variable({32}, 2), variable({32, 3}, 3), variable({3}, 4)};
}

struct Data {
  std::vector<float> x, y;
};

inline Data make_data(int rows) {
  Data d;
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (int i = 0; i < rows; ++i) {
    float s = 0;
    for (int j = 0; j < 8; ++j) {
      d.x.push_back(normal(random));
      s += d.x.back() * static_cast<float>(j % 3);
    }
    d.y.push_back(s < -1 ? 0.0f : s < 1 ? 1.0f : 2.0f);
  }
  return d;
}
