// Reads a picture of a digit and says which it is:
//   ./digit digits.pyseq picture.pgm
// A portable graymap of any size, white on black; it is averaged down to the size that the model takes.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "pyseq/pyseq.h"

namespace {

struct Picture {
  int width = 0, height = 0;
  std::vector<float> gray;  // 0 to 1, row by row
};

// P5 with one byte a pixel: "P5", width, height and largest value as text, then the rows.
Picture read_graymap(const std::string& path) {
  constexpr int kMostPixels = 1 << 24;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": cannot be opened");
  const auto number = [&] {
    while (file >> std::ws && file.peek() == '#') file.ignore(std::numeric_limits<int>::max(), '\n');
    int value = 0;
    file >> value;
    return value;
  };
  std::string magic(2, ' ');
  file.read(magic.data(), 2);
  Picture p;
  p.width = number(), p.height = number();
  const int most = number();
  file.get();  // one white space
  if (!file || magic != "P5" || p.width < 1 || p.height < 1 || most < 1 || most > 255 ||
      p.width > kMostPixels / p.height)
    throw std::runtime_error(path + ": expected a binary portable graymap (P5) of 8 bits");
  std::vector<char> bytes(static_cast<std::size_t>(p.width) * static_cast<std::size_t>(p.height));
  if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size())))
    throw std::runtime_error(path + ": ends early");
  for (const char byte : bytes)
    p.gray.push_back(static_cast<float>(static_cast<std::uint8_t>(byte)) / static_cast<float>(most));
  return p;
}

// Each pixel of the result is the mean of those that it covers, at least one.
std::vector<float> resized(const Picture& p, int width, int height) {
  std::vector<float> out;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const int top = y * p.height / height, left = x * p.width / width;
      const int bottom = std::max(top + 1, (y + 1) * p.height / height);
      const int right = std::max(left + 1, (x + 1) * p.width / width);
      float sum = 0;
      for (int i = top; i < bottom; ++i)
        for (int j = left; j < right; ++j) sum += p.gray[static_cast<std::size_t>(i * p.width + j)];
      out.push_back(sum / static_cast<float>((bottom - top) * (right - left)));
    }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: digit MODEL.pyseq PICTURE.pgm\n");
    return 2;
  }
  try {
    const pyseq::Model model = pyseq::Model::load(argv[1]);
    const pyseq::Dims& shape = model.input_shape();
    if (shape.size() != 3 || shape[2] != 1)
      throw std::runtime_error("expected a model of gray pictures (height, width, 1)");
    const std::vector<float> x = resized(read_graymap(argv[2]), static_cast<int>(shape[1]),
                                         static_cast<int>(shape[0]));
    const std::vector<float> y = model.predict(1, x);
    const auto best = std::max_element(y.begin(), y.end());
    std::printf("%d with probability %.3f\n", static_cast<int>(best - y.begin()),
                static_cast<double>(*best));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
