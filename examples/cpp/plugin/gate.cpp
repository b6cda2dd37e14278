// A noise gate: one network says, block by block and in real time, how loud each block is to be;
// another, on a thread of its own, says what kind of sound it is. Two models, two threads, no lock.
#include "gate.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <thread>

#include "pyseq/pyseq.h"

struct gate {
  explicit gate(const std::string& folder)
      : gain_model(pyseq::Model::load(folder + "/gain.pyseq")),
        kind_model(pyseq::Model::load(folder + "/kind.pyseq")),
        gain(gain_model.session().prepare(1)),
        kind(kind_model.session().prepare(1)),
        listener([this] { listen(); }) {}

  ~gate() {
    ends.store(true);
    listener.join();
  }

  int process(const float* in, float* out) noexcept {
    float factor = 0;
    const pyseq::Status status = gain.run(1, in, &factor);
    if (status != pyseq::Status::ok) return static_cast<int>(status);
    for (int i = 0; i < GATE_BLOCK; ++i) out[i] = factor * in[i];
    // The listener gets this block if it has done with the one before; the audio thread never waits.
    if (!waiting.load(std::memory_order_acquire)) {
      std::copy(in, in + GATE_BLOCK, block.begin());
      waiting.store(true, std::memory_order_release);
    }
    return 0;
  }

  void listen() noexcept {
    while (!ends.load()) {
      if (!waiting.load(std::memory_order_acquire)) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        continue;
      }
      float likely[3];
      if (kind.run(1, block.data(), likely) == pyseq::Status::ok)
        heard.store(static_cast<int>(std::max_element(likely, likely + 3) - likely));
      waiting.store(false, std::memory_order_release);
    }
  }

  pyseq::Model gain_model, kind_model;
  pyseq::Prepared gain, kind;
  std::array<float, GATE_BLOCK> block{};
  std::atomic<bool> waiting{false}, ends{false};
  std::atomic<int> heard{-1};
  std::thread listener;  // last: it needs all of the others
};

extern "C" {

gate* gate_create(const char* folder) {
  try {
    return new gate(folder);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gate: %s\n", e.what());
    return nullptr;
  }
}
int gate_process(gate* g, const float* in, float* out) { return g->process(in, out); }
int gate_heard(const gate* g) { return g->heard.load(); }
void gate_destroy(gate* g) { delete g; }

}
