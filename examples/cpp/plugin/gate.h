/* What a host and this plug-in say to each other: a C interface, as plug-in formats have it. */
#ifndef GATE_H
#define GATE_H

#ifdef _WIN32
#define GATE_EXPORT __declspec(dllexport)
#else
#define GATE_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum { GATE_BLOCK = 64 }; /* samples that a call of gate_process takes and gives */

typedef struct gate gate;

/* Reads gain.pyseq and kind.pyseq from `folder`; null, with a message on stderr, where that fails. */
GATE_EXPORT gate* gate_create(const char* folder);
/* On the audio thread: 0, or a number that says what is wrong. */
GATE_EXPORT int gate_process(gate* g, const float* in, float* out);
/* From any thread: what was heard last: 0 silence, 1 tone, 2 noise; -1 before the first answer. */
GATE_EXPORT int gate_heard(const gate* g);
GATE_EXPORT void gate_destroy(gate* g);

#ifdef __cplusplus
}
#endif
#endif
