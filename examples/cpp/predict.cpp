// Loads a model that Python exported and predicts, without Python:
//   python -c "..." writes model.pyseq;  ./predict model.pyseq [TEXT ...]
#include <cstdio>
#include <string_view>
#include <vector>

#include "pyseq/pyseq.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: predict MODEL.pyseq [TEXT ...]\n");
    return 2;
  }
  try {
    const pyseq::Model model = pyseq::Model::load(argv[1]);
    std::vector<float> y;
    if (model.takes_text()) {
      const std::vector<std::string_view> texts(argv + 2, argv + argc);
      y = model.predict(static_cast<std::int64_t>(texts.size()) / model.texts_per_row(), texts);
    } else {
      std::int64_t size = 1;
      for (const std::int64_t d : model.input_shape()) size *= d;
      y = model.predict(1, std::vector<float>(static_cast<std::size_t>(size), 0.5f));
    }
    std::printf("%s", model.dump().c_str());
    for (const float v : y) std::printf("%g ", static_cast<double>(v));
    std::printf("\n");
  } catch (const pyseq::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
