// What a peer of exported.py is: a shared library that gives its calls.
#pragma once

struct Case {
  const char* network;
  const char* way;  // "row", from the first state; or "step", the next one of a sequence
  int outputs;
  void (*call)(void* self, const float* in, float* out);
  void* self;
};

// Those of the networks whose files are in the folder; the last one has no network.
extern "C" __attribute__((visibility("default"))) const Case* cases(const char* folder);
