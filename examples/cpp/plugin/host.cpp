// Opens a plug-in, plays silence, a tone and noise through it, and closes it:
//   ./host gate.so FOLDER
#include <chrono>
#include <cmath>
#include <cstdio>
#include <random>
#include <thread>

#include "gate.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace {

void* symbol(const char* path, const char* name) {
#ifdef _WIN32
  static HMODULE library = LoadLibraryA(path);
  void* found = library ? reinterpret_cast<void*>(GetProcAddress(library, name)) : nullptr;
#else
  static void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  void* found = library ? dlsym(library, name) : nullptr;
#endif
  if (!found) std::fprintf(stderr, "%s: %s is not there\n", path, name);
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: host PLUGIN FOLDER\n");
    return 2;
  }
  const auto create = reinterpret_cast<decltype(&gate_create)>(symbol(argv[1], "gate_create"));
  const auto process = reinterpret_cast<decltype(&gate_process)>(symbol(argv[1], "gate_process"));
  const auto heard = reinterpret_cast<decltype(&gate_heard)>(symbol(argv[1], "gate_heard"));
  const auto destroy = reinterpret_cast<decltype(&gate_destroy)>(symbol(argv[1], "gate_destroy"));
  if (!create || !process || !heard || !destroy) return 1;

  gate* g = create(argv[2]);
  if (!g) return 1;
  std::mt19937 random(1);
  std::uniform_real_distribution<float> noise(-0.5f, 0.5f);
  int wrong = 0;
  for (const char* sound : {"silence", "tone", "noise"}) {
    float in[GATE_BLOCK], out[GATE_BLOCK];
    double before = 0, after = 0;
    const int expected = sound[0] == 's' ? 0 : sound[0] == 't' ? 1 : 2;
    // The listener has a thread of its own, which may be late.
    for (int b = 0; b < 200 || (b < 20000 && heard(g) != expected); ++b) {
      for (int i = 0; i < GATE_BLOCK; ++i)
        in[i] = expected == 0   ? 0.002f * noise(random)
                : expected == 1 ? 0.5f * std::sin(0.2f * static_cast<float>(b * GATE_BLOCK + i))
                                : noise(random);
      if (const int error = process(g, in, out)) {
        std::fprintf(stderr, "the plug-in says %d\n", error);
        return 1;
      }
      for (int i = 0; i < GATE_BLOCK; ++i) before += in[i] * in[i], after += out[i] * out[i];
      std::this_thread::sleep_for(std::chrono::microseconds(300));  // as an audio driver would
    }
    const double gain = std::sqrt(after / before);
    std::printf("%s: heard as %d, gain %.2f\n", sound, heard(g), gain);
    wrong += heard(g) != expected || (expected == 1 ? gain < 0.8 : gain > 0.3);
  }
  destroy(g);
  return wrong;
}
