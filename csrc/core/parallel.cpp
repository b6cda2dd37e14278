#include "core/parallel.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>
#include <string>
#include <thread>

#include "core/platform.h"
#include "core/precision.h"
#include "core/team.h"
#include "pyseq/config.h"
#include "pyseq/error.h"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace pyseq {
namespace {

thread_local int current_worker = -1;  // >= 0 while a range function runs on this thread
thread_local Pool* current_pool = nullptr;  // whose range it is

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins briefly, then lets other threads run: another process may hold the core that we wait for.
class Backoff {
 public:
  void wait() {
    if (++spins_ < 4000)
      relax();
    else
      std::this_thread::yield();
  }

 private:
  int spins_ = 0;
};

std::atomic<int> requested_threads{0};
// libgomp's threads do not survive fork, and a parallel region in the child would wait for them.
std::atomic<bool> forked{false};

// By the environment; 0: it says nothing.
std::atomic<int> wished_threads{0};

[[maybe_unused]] int default_threads() {
  static const int processors = [] {
    platform::after_copy_of_process([] { forked.store(true); });
    return platform::usable_processors();
  }();
  const int wished = wished_threads.load(std::memory_order_relaxed);
  return wished > 0 ? wished : processors;
}

}  // namespace

void set_default_threads(int n) { wished_threads.store(n); }

void set_num_threads(int n) {
  if (n < 0)
    throw Error("set_num_threads: expected 0 (default) or more, got " + std::to_string(n));
  requested_threads.store(n);
}

int threads_or_default([[maybe_unused]] int wanted) {
#ifdef _OPENMP
  const int usual = default_threads(), asked = requested_threads.load();
  if (forked.load()) return 1;
  return wanted > 0 ? wanted : asked > 0 ? asked : usual;
#else
  return 1;
#endif
}

int num_threads() { return threads_or_default(0); }

namespace {
// Waking a team costs a few microseconds; below this much work one thread is done before.
constexpr double kWorth = 1.5e6;
}  // namespace

bool worth_a_team(double work) { return work >= kWorth; }

int threads_for(double work, int most) {
  if (!worth_a_team(work)) return 1;
  return static_cast<int>(std::min<double>(most, std::ceil(work / (kWorth / 2))));
}

namespace {

// Ticks of the processor's clock between two questions: some hundredths of a second.
constexpr std::uint64_t kTicks = std::uint64_t{1} << 26;

std::uint64_t ticks() {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  constexpr std::uint64_t kGigahertz = 2;
  return kGigahertz * static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

Interruption interruption;
std::mutex interruption_mutex;

Interruption current_interruption() {
  const std::lock_guard<std::mutex> lock(interruption_mutex);
  return interruption;
}

}  // namespace

void set_interruption(const Interruption& given) {
  const std::lock_guard<std::mutex> lock(interruption_mutex);
  interruption = given;
}

// Below this a call is over before anybody waits for it.
constexpr double kLongWork = 3e8;

LongCall::LongCall(double work) {
  if (work < kLongWork) return;
  const Interruption i = current_interruption();
  if (!i.stop) return;
  stop_ = i.stop;
  if (i.begin) i.begin();
}

LongCall::~LongCall() {
  if (!stop_) return;
  if (const Interruption i = current_interruption(); i.end) i.end();
}

void Pool::ask() {
  const std::uint64_t now = ticks();
  if (now - asked_ < kTicks) return;
  asked_ = now;
  if (ask_()) interrupted_.store(true, std::memory_order_relaxed);
}

void Pool::drain(int worker) {
  const int outer = current_worker;
  Pool* const outer_pool = current_pool;
  current_worker = worker;
  current_pool = this;
  for (int i = 0; i < workers_; ++i) {
    Part& part = parts_[(worker + i) % workers_];
    while (part.next.load(std::memory_order_relaxed) < part.end) {
      const Index begin = part.next.fetch_add(grain_, std::memory_order_relaxed);
      if (begin >= part.end) break;
      if (poll(worker) && !together_) continue;
      function_(context_, begin, std::min(begin + grain_, part.end), worker);
    }
  }
  current_worker = outer;
  current_pool = outer_pool;
}

void Pool::run(RangeFunction function, void* context, Index count, Index grain, bool together) {
  together_ = together;
  function_ = function;
  context_ = context;
  grain_ = std::max<Index>(grain, 1);
  const Index pieces = (count + grain_ - 1) / grain_;
  for (int w = 0; w < workers_; ++w) {
    parts_[w].next.store(pieces * w / workers_ * grain_, std::memory_order_relaxed);
    parts_[w].end = std::min(count, pieces * (w + 1) / workers_ * grain_);
  }
  task_.fetch_add(1, std::memory_order_relaxed);
  open_.store(true, std::memory_order_seq_cst);
  drain(0);
  open_.store(false, std::memory_order_seq_cst);
  Backoff backoff;
  while (active_.load(std::memory_order_seq_cst) != 0) backoff.wait();
}

void Pool::work_until_stopped(int worker) {
  std::uint64_t done = 0;
  for (;;) {
    Backoff backoff;
    while (!open_.load(std::memory_order_seq_cst) ||
           task_.load(std::memory_order_relaxed) == done) {
      if (stop_.load(std::memory_order_relaxed)) return;
      backoff.wait();
    }
    active_.fetch_add(1, std::memory_order_seq_cst);
    if (open_.load(std::memory_order_seq_cst)) {
      done = task_.load(std::memory_order_relaxed);
      drain(worker);
    }
    active_.fetch_sub(1, std::memory_order_seq_cst);
  }
}

void run_team(int threads, bool (*stop)(), void (*body)(void*, Pool*), void* context) {
#ifdef _OPENMP
  if (omp_in_parallel()) threads = 1;
  if (threads > 1) {
    Pool pool(threads, stop);
    const int precision = PrecisionScope::current();
#pragma omp parallel num_threads(threads)
    {
      if (omp_get_thread_num() == 0) {
        body(context, &pool);
        pool.stop();
      } else {
        const PrecisionScope scope(precision);
        pool.work_until_stopped(omp_get_thread_num());
      }
    }
    return;
  }
#else
  (void)threads;
#endif
  if (!stop) return body(context, nullptr);
  Pool alone(1, stop);  // whose ranges are cut
  body(context, &alone);
}

void give_way() { std::this_thread::yield(); }

bool pool_interrupted(Pool* pool) {
  if (!pool) pool = current_pool;
  return pool && pool->poll(current_worker);
}

int pool_workers(const Pool* pool) { return pool ? pool->workers() : 1; }

void pool_run(Pool* pool, RangeFunction function, void* context, Index count, Index grain,
              bool together) {
  if (!pool || current_worker >= 0) {
    function(context, 0, count, current_worker >= 0 ? current_worker : 0);
    return;
  }
  pool->run(function, context, count, grain, together);
}

}  // namespace pyseq
