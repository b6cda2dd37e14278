#pragma once
#include <atomic>
#include <memory>

#include "core/parallel.h"
#include "pyseq/config.h"

namespace pyseq {

// Workers wait for ranges that the leader posts, all inside one OpenMP parallel region.
class Pool {
 public:
  // `stop`: asked some times a second, by the leader; see Interruption.
  explicit Pool(int workers, bool (*stop)() = nullptr)
      : workers_(workers), ask_(stop), parts_(std::make_unique<Part[]>(workers)) {}

  int workers() const { return workers_; }
  void run(RangeFunction function, void* context, Index count, Index grain, bool together);
  // Whether the call is to end: pieces are left out from now on, and what it computed is no result.
  bool interrupted() const { return interrupted_.load(std::memory_order_relaxed); }
  // The same from inside a piece; the leader asks.
  bool poll(int worker) {
    if (worker <= 0 && ask_ && !waits_) ask();
    return interrupted();
  }
  bool may_be_interrupted() const { return ask_ != nullptr; }
  // While something is updated, which must not be left half done, nobody is asked.
  void wait_to_be_asked(bool wait) { waits_ = wait; }
  void work_until_stopped(int worker);
  void stop() { stop_.store(true, std::memory_order_seq_cst); }

 private:
  void drain(int worker);
  void ask();

  const int workers_;
  bool (*ask_)();
  std::uint64_t asked_ = 0;
  std::atomic<bool> interrupted_{false};
  bool together_ = false, waits_ = false;
  RangeFunction function_ = nullptr;
  void* context_ = nullptr;
  Index grain_ = 1;
  // The leader closes a task, then waits for `active_` to fall to 0 before it writes the next one;
  // a worker raises `active_`, then looks whether the task is still open. Sequential consistency
  // makes one of the two see the other.
  alignas(64) std::atomic<std::uint64_t> task_{0};
  std::atomic<bool> open_{false};
  std::atomic<bool> stop_{false};
  // A worker begins with its own part of the range, the same one in every range that is cut alike:
  // what it reads was then mostly written by itself. Who is done takes pieces of the others' parts.
  struct alignas(64) Part {
    std::atomic<Index> next{0};
    Index end = 0;
  };
  std::unique_ptr<Part[]> parts_;
  alignas(64) std::atomic<int> active_{0};
};

// Threads worth waking for `work` (floating point operations and elements moved), and whether that
// is more than one where there are more: the same answer on every machine.
int threads_for(double work, int most = num_threads());
// What num_threads() is while nobody sets it; 0 or less: the processors of this process.
void set_default_threads(int n);
// `wanted` threads, or num_threads() for 0; 1 where there can be no more.
int threads_or_default(int wanted);
bool worth_a_team(double work);

// A call of much work, which may be interrupted.
class LongCall {
 public:
  explicit LongCall(double work);
  ~LongCall();
  LongCall(const LongCall&) = delete;
  LongCall& operator=(const LongCall&) = delete;
  bool (*stop() const)() { return stop_; }

 private:
  bool (*stop_)() = nullptr;
};

void run_team(int threads, bool (*stop)(), void (*body)(void*, Pool*), void* context);

// body(pool) on the calling thread with `threads - 1` others waiting for ranges. The body must not
// throw.
template <class Body>
void with_team(int threads, bool (*stop)(), Body&& body) {
  if (threads <= 1 && !stop) {
    body(static_cast<Pool*>(nullptr));
    return;
  }
  run_team(
      threads, stop,
      [](void* c, Pool* pool) { (*static_cast<std::remove_reference_t<Body>*>(c))(pool); },
      static_cast<void*>(&body));
}

template <class Body>
void with_team(int threads, Body&& body) {
  with_team(threads, nullptr, body);
}

}  // namespace pyseq
