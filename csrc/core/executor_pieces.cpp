#include <algorithm>
#include <cmath>

#include "core/executor.h"

namespace pyseq {

Pieces Executor::pieces(std::int64_t n) const {
  // Not asked of the machine: where a batch is cut may change last bits, and they are to be the same
  // for any number of threads.
  constexpr double kCache = 1 << 20, kCaches = 4 << 20;  // what a core and a few cores hold close
  constexpr std::int64_t kMostPieces = 16, kLeastPieces = 8, kLeastRows = 8;
  constexpr double kGain = 0.4;  // of the bytes of a whole batch: more than that does not show
  if (device_ || whole_batch_ || moved_.empty()) return {n};
  const double most = *std::max_element(moved_.begin(), moved_.end());
  if (worth_a_team(work(n)) && variable_bytes_ <= kCaches) {
    // Small enough to stay with a core, and large enough to use each weight often: a row uses it
    // `uses` times.
    const double even = std::ceil(static_cast<double>(n) / static_cast<double>(kMostPieces));
    const double often = variable_bytes_ <= kCache / 4 ? 32 : 64;
    const double uses = product_flops_ * static_cast<double>(real_) / std::max(2 * variable_bytes_, 1.0);
    const double rows = std::max(often / std::max(uses, 1.0), std::min(even, kCache / std::max(most, 1.0)));
    const auto count = static_cast<std::int64_t>(static_cast<double>(n) / std::max(rows, 1.0));
    if (count >= kLeastPieces) return {(n + count - 1) / count, true};
  }
  if (static_cast<double>(n) * most <= 2 * kCaches) return {n};
  // Bytes from and to memory: values that do not stay, and the variables, once for each piece.
  const auto cost = [&](std::int64_t rows, std::int64_t pieces) {
    double bytes = static_cast<double>(pieces) * variable_bytes_;
    for (const double moved : moved_)
      if (moved * static_cast<double>(rows) > kCaches) bytes += moved * static_cast<double>(n);
    return bytes;
  };
  std::int64_t best = n;
  double least = kGain * cost(n, 1);
  for (std::int64_t pieces = 2; n / pieces >= kLeastRows; ++pieces) {
    const std::int64_t rows = (n + pieces - 1) / pieces;
    const double bytes = cost(rows, pieces);
    if (bytes < least) best = rows, least = bytes;
    if (static_cast<double>(rows) * most <= kCaches) break;
  }
  return {best};
}

}  // namespace pyseq
