// The last `Rows` steps of a sequence in order, for causal convolutions: each is written twice, so that a
// run of them is always in one piece.
template <int Rows, int C>
struct Delay {
  alignas(64) float rows[2 * Rows][C] = {};
  int at = 0;
  void reset() noexcept { std::memset(rows, 0, sizeof rows); }
  // The steps, the newest of which is x.
  PYSEQ_INLINE const float* push(const float* x) {
    std::memcpy(rows[at], x, sizeof rows[0]);
    std::memcpy(rows[at + Rows], x, sizeof rows[0]);
    at = at + 1 == Rows ? 0 : at + 1;
    return rows[at];
  }
};
