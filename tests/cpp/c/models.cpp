// Models for c_api_test.c: a classifier that trains, and a network of sequences.
#include <cstdio>

#include "pyseq/pyseq.h"

extern "C" int write_models(const char* classifier, const char* sequences) {
  try {
    pyseq::Sequential net({4});
    net.add("Dense", {{"units", std::int64_t{8}}, {"activation", std::string("tanh")}});
    net.add("Dense", {{"units", std::int64_t{3}}, {"activation", std::string("softmax")}});
    pyseq::CompileOptions options;
    options.optimizer = "adam";
    options.loss = "sparse_categorical_crossentropy";
    net.compile(options).save(classifier);
    pyseq::Sequential steps({6, 2});
    steps.add("LSTM", {{"units", std::int64_t{5}}, {"return_sequences", true}});
    steps.add("Dense", {{"units", std::int64_t{2}}});
    options.loss = "mean_squared_error";
    steps.compile(options).save(sequences);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
