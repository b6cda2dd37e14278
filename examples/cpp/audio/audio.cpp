// Sends sound through a recurrent network, sample by sample, as an audio driver would ask for it:
//   ./audio drive.pyseq in.wav out.wav
// in.wav: one channel of 16 bits. Says how long the slowest block took beside the time that it lasts.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "pyseq/pyseq.h"

namespace {

constexpr int kBlock = 64;  // samples that a driver asks for at a time

// What the driver calls: no memory is taken, no lock, nothing of the system.
class Effect {
 public:
  explicit Effect(const pyseq::Model& model) : stream_(model) {}

  pyseq::Status process(const float* in, float* out, int samples) noexcept {
    for (int i = 0; i < samples; ++i) {
      const pyseq::Status status = stream_.run(in + i, out + i);
      if (status != pyseq::Status::ok) return status;
    }
    return pyseq::Status::ok;
  }

 private:
  pyseq::Stream stream_;  // keeps the network's state from sample to sample
};

std::uint32_t number(const std::vector<char>& bytes, std::size_t at, int size) {
  std::uint32_t value = 0;
  for (int i = 0; i < size; ++i)
    value |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes.at(at + static_cast<std::size_t>(i))))
             << 8 * i;
  return value;
}

// A WAV file: where its samples lie; everything before them goes to the output as it is.
struct Wave {
  std::vector<char> bytes;
  std::size_t data = 0, samples = 0;
  std::uint32_t rate = 0;

  explicit Wave(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error(path + ": cannot be opened");
    bytes.assign(std::istreambuf_iterator<char>(file), {});
    bool known = false;
    for (std::size_t at = 12; at + 8 <= bytes.size();) {
      const std::size_t size = number(bytes, at + 4, 4), body = at + 8;
      if (std::memcmp(bytes.data() + at, "fmt ", 4) == 0) {
        known = number(bytes, body, 2) == 1 && number(bytes, body + 2, 2) == 1 &&
                number(bytes, body + 14, 2) == 16;
        rate = number(bytes, body + 4, 4);
      } else if (std::memcmp(bytes.data() + at, "data", 4) == 0) {
        data = body, samples = std::min(size, bytes.size() - body) / 2;
        break;
      }
      at = body + size + size % 2;
    }
    if (!known || !data || !rate)
      throw std::runtime_error(path + ": expected a WAV file of one channel of 16 bits");
  }
  float get(std::size_t i) const {
    return static_cast<float>(static_cast<std::int16_t>(number(bytes, data + 2 * i, 2))) / 32768;
  }
  void set(std::size_t i, float value) {
    const auto sample = static_cast<std::int16_t>(
        std::lround(std::clamp(value * 32768, -32768.0f, 32767.0f)));
    for (int k = 0; k < 2; ++k)
      bytes[data + 2 * i + static_cast<std::size_t>(k)] = static_cast<char>(sample >> 8 * k);
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: audio MODEL.pyseq IN.wav OUT.wav\n");
    return 2;
  }
  try {
    Effect effect(pyseq::Model::load(argv[1]));
    Wave wave(argv[2]);
    double slowest = 0;
    for (std::size_t at = 0; at < wave.samples; at += kBlock) {
      const int count = static_cast<int>(std::min<std::size_t>(kBlock, wave.samples - at));
      float in[kBlock], out[kBlock];
      for (int i = 0; i < count; ++i) in[i] = wave.get(at + static_cast<std::size_t>(i));
      const auto start = std::chrono::steady_clock::now();
      const pyseq::Status status = effect.process(in, out, count);
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      if (status != pyseq::Status::ok) throw std::runtime_error(pyseq::to_text(status));
      slowest = std::max(slowest, took.count());
      for (int i = 0; i < count; ++i) wave.set(at + static_cast<std::size_t>(i), out[i]);
    }
    std::ofstream file(argv[3], std::ios::binary);
    file.write(wave.bytes.data(), static_cast<std::streamsize>(wave.bytes.size()));
    if (!file) throw std::runtime_error(std::string(argv[3]) + ": cannot be written");
    std::printf("%zu samples; the slowest block of %d took %.0f us, it lasts %.0f us\n", wave.samples,
                kBlock, 1e6 * slowest, 1e6 * kBlock / wave.rate);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
