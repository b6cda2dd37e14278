#pragma once
#include <algorithm>
#include <cstdint>

namespace pyseq {

// Decides whether short calls of one kind use a team, by how long they took with and without one.
// On a machine with idle cores a team halves a call; where other processes hold the cores, a call
// may wait a time slice for a thread that does not run. Results are the same bits either way.
class Pace {
 public:
  // The next call, of n rows.
  bool team(std::int64_t n) {
    if (n != rows_) *this = Pace(n);
    return team_;
  }
  void took(std::int64_t n, bool team, double seconds) {
    if (n != rows_ || team != team_) return;
    // The first calls of a window wake sleeping threads and warm caches.
    if (calls_++ >= kWarm) sum_ += seconds;
    if (calls_ < kWindow) return;
    double& own = team_ ? with_ : without_;
    const double other = team_ ? without_ : with_;
    own = sum_ / (kWindow - kWarm);
    calls_ = 0, sum_ = 0;
    if (other == 0) {
      team_ = !team_;
    } else if (own > other) {
      // A try that failed: the next one comes later.
      stay_ = trying_ ? std::min(2 * stay_, kLongest) : kShortest;
      left_ = stay_, trying_ = false;
      team_ = !team_;
    } else if (trying_) {
      trying_ = false;
      left_ = stay_ = kShortest;
    } else if (--left_ <= 0) {
      trying_ = true;
      team_ = !team_;
    }
  }
  Pace() = default;

 private:
  explicit Pace(std::int64_t n) : rows_(n) {}

  static constexpr int kWindow = 8, kWarm = 3, kShortest = 4, kLongest = 256;
  std::int64_t rows_ = -1;
  bool team_ = true, trying_ = false;
  int calls_ = 0, stay_ = kShortest, left_ = kShortest;
  double sum_ = 0, with_ = 0, without_ = 0;  // seconds, 0: not known yet
};

}  // namespace pyseq
