#pragma once
#include <cstdint>

#define PYSEQ_INLINE inline __attribute__((always_inline))
#ifdef __CUDACC__
#define PYSEQ_DEVICE __host__ __device__
#else
#define PYSEQ_DEVICE
#endif

namespace pyseq {

using Index = std::int64_t;

// A team of threads that lives for one call of a Session or Trainer. Thread 0 runs the op list; the
// others wait for ranges. Null means: run here.
class Pool;

using RangeFunction = void (*)(void* context, Index begin, Index end, int worker);

// Cuts [0, count) into pieces of `grain` and hands them to whichever worker is free.
// `together`: pieces wait for each other, so that none may be left out when the call is interrupted.
void pool_run(Pool* pool, RangeFunction function, void* context, Index count, Index grain,
              bool together);
// Whether the call is to end, for loops that are one long piece, such as steps of a recurrence: what they
// compute from then on is thrown away. Within a piece `pool` may be null. Costs some nanoseconds.
bool pool_interrupted(Pool* pool);
// Number of workers that may call back: `worker` is always below it. 1 for a null pool.
int pool_workers(const Pool* pool);

// Gives the core to another thread, for who has waited long.
void give_way();

// f(begin, end, worker) over [0, count). The result must not depend on how the range is cut, so that
// every thread count gives the same bits: write outputs only, or reduce inside one index. A nested
// call runs serially on the calling worker.
template <class F>
PYSEQ_INLINE void parallel_for(Pool* pool, Index count, Index grain, F&& f, bool together = false) {
  if (count <= 0) return;
  if (!pool || count <= grain) {
    f(Index{0}, count, 0);
    return;
  }
  struct Thunk {
    static void call(void* context, Index begin, Index end, int worker) {
      (*static_cast<__typeof__(&f)>(context))(begin, end, worker);
    }
  };
  pool_run(pool, &Thunk::call, const_cast<void*>(static_cast<const void*>(&f)), count, grain,
           together);
}

}  // namespace pyseq
