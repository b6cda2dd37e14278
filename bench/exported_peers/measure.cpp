// Microseconds of one call of small networks by several peers, which take turns, a batch of calls each.
//
//     measure FOLDER PEER.so ...
//
// Prints a line for each: network, way, peer, median and least over the rounds, and how far the first answer is
// from that of the first peer.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "case.h"

namespace {

constexpr int kRounds = 300, kMost = 1 << 16;
constexpr double kBatch = 100;  // microseconds

alignas(64) float in[kMost], out[kMost];

struct Measured {
  std::string peer;
  Case of;
  std::vector<float> first;
  std::vector<double> took;
  int times = 1;

  double batch(int calls) {
    const auto started = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) of.call(of.self, in, out);
    const std::chrono::duration<double, std::micro> all = std::chrono::steady_clock::now() - started;
    return all.count() / calls;
  }
};

std::vector<Measured> load(const char* folder, const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* symbol = library == nullptr ? nullptr : dlsym(library, "cases");
  if (symbol == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::exit(1);
  }
  const std::string file = path.substr(path.rfind('/') + 1);
  std::vector<Measured> found;
  for (const Case* c = reinterpret_cast<decltype(&cases)>(symbol)(folder); c->network != nullptr; ++c) {
    Measured m{file.substr(0, file.rfind('.')), *c, {}, {}};
    c->call(c->self, in, out);
    m.first.assign(out, out + c->outputs);
    m.batch(100);
    m.times = std::max(1, static_cast<int>(kBatch / (m.batch(10) + 0.001)));
    found.push_back(m);
  }
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  unsigned seed = 1;
  for (float& x : in) x = static_cast<float>((seed = seed * 1664525u + 1013904223u) >> 8) / (1 << 23) - 1;
  std::vector<Measured> all;
  for (int i = 2; i < argc; ++i)
    for (Measured& m : load(argv[1], argv[i])) all.push_back(m);
  for (int round = 0; round < kRounds; ++round)
    for (Measured& m : all) {
      m.batch(1);
      m.took.push_back(m.batch(m.times));
    }
  for (Measured& m : all) {
    const auto same = [&](const Measured& o) {
      return std::string(o.of.network) == m.of.network && std::string(o.of.way) == m.of.way;
    };
    const Measured& reference = *std::find_if(all.begin(), all.end(), same);
    double off = m.first.size() == reference.first.size() ? 0 : INFINITY;
    for (std::size_t i = 0; i < m.first.size() && i < reference.first.size(); ++i)
      off = std::max(off, static_cast<double>(std::fabs(m.first[i] - reference.first[i])));
    std::sort(m.took.begin(), m.took.end());
    std::printf("%s %s %s %.4f %.4f %.1e\n", m.of.network, m.of.way, m.peer.c_str(), m.took[kRounds / 2],
                m.took[0], off);
  }
}
