// The exported headers.
#include <type_traits>
#include <vector>

#include "case.h"
#include "exported_headers.h"

namespace {

std::vector<Case> all;

template <class M, class = void>
struct Step {
  static void add(const char*) {}
};
template <class M>
struct Step<M, std::void_t<decltype(M::kStepInputs)>> {
  static void add(const char* name) {
    static M m;
    const auto call = [](void*, const float* in, float* out) { m.step(in, out); };
    all.push_back({name, "step", M::kStepOutputs, call, nullptr});
  }
};

template <class M>
void add(const char* name) {
  static M m;
  const auto call = [](void*, const float* in, float* out) { m.run(in, out); };
  all.push_back({name, "row", M::kOutputs, call, nullptr});
  Step<M>::add(name);
}

}  // namespace

const Case* cases(const char*) {
#define PYSEQ_ADD(name) add<name::Model>(#name);
  PYSEQ_EXPORTED(PYSEQ_ADD)
  all.push_back({});
  return all.data();
}
