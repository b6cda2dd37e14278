// Microseconds of one row through each `.pyseq` file: Session::run beside Prepared::run, and of one step
// through a Stream, interleaved; the best of many rounds.
//
//     realtime_bench MODEL.pyseq ...
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <vector>

#include "pyseq/pyseq.h"

namespace {

double microseconds(const std::function<void()>& call, int times) {
  const auto started = std::chrono::steady_clock::now();
  for (int i = 0; i < times; ++i) call();
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - started;
  return took.count() / times;
}

std::size_t size_of(const pyseq::Dims& dims) {
  std::size_t n = 1;
  for (const std::int64_t d : dims) n *= static_cast<std::size_t>(d);
  return n;
}

void measure(const char* path) {
  const pyseq::Model model = pyseq::Model::load(path);
  std::vector<float> x(size_of(model.input_shape()), 0.5f), y(size_of(model.output_shape()));
  const void* in[] = {x.data()};
  void* out[] = {y.data()};
  pyseq::Session& session = model.session();
  pyseq::Prepared prepared = session.prepare(1);
  std::vector<std::function<void()>> calls{[&] { session.run(1, in, out); }, [&] { prepared.run(1, in, out); }};
  std::vector<pyseq::Stream> stream;
  try {
    stream.push_back(model.stream());
    calls.push_back([&] { stream[0].run(x.data(), y.data()); });
  } catch (const pyseq::Error&) {
  }
  std::vector<double> best(3, 1e30);
  for (int round = 0; round < 200; ++round)
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const double once = microseconds(calls[i], 1);
      best[i] = std::min(best[i], microseconds(calls[i], std::max(1, static_cast<int>(500 / (once + 0.1)))));
    }
  std::printf("%-32s %10.3f %10.3f", path, best[0], best[1]);
  if (stream.empty()) std::printf(" %10s\n", "-");
  else std::printf(" %10.3f\n", best[2]);
}

}  // namespace

int main(int argc, char** argv) {
  std::printf("%-32s %10s %10s %10s\n", "model", "Session", "Prepared", "Stream");
  for (int i = 1; i < argc; ++i) measure(argv[i]);
}
