// y = E[x]. An id outside [0, V) gives NaN, which no loss can hide.
//
// Gradient: the positions of the batch are sorted by id (stable, digits of 4 bits), and the rows of dy
// of each id are added in that order: in chunks of fixed size, and then over the chunks that share an
// id. Nothing depends on which thread comes first.
#include "cuda/divide.h"
#include "cuda/vector.h"

namespace pyseq::cuda {
namespace {

constexpr int kDigit = 4, kBins = 1 << kDigit;
constexpr int kSortThreads = 256, kPerThread = 8, kSortBlock = kSortThreads * kPerThread;
constexpr int kChunk = 32;  // positions that one block adds up

struct Config {
  Index ids, v, d;
  int digits;
  bool int64;
  int key[2], position[2], counts, heads, tails;  // scratch
};

struct Sorted {
  const std::int32_t *key, *position;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0), e = p.param(0);
  if (e.rank != 2 || x.rank >= kMaxRank) p.fail("expected embeddings of rank 2, got %d", e.rank);
  c.ids = x.size();
  c.v = e[0];
  c.d = e[1];
  c.int64 = p.is_int64(0);
  p.takes_int64();
  Shape y = x;
  y.push(c.d);
  p.output(y);
  if (!p.training()) return;
  p.backward_reads_input(0);
  for (c.digits = 1; c.v >> (kDigit * c.digits) != 0;) ++c.digits;
  for (int k = 0; k < 2; ++k) c.key[k] = p.scratch(c.ids), c.position[k] = p.scratch(c.ids);
  c.counts = p.scratch((c.ids + kSortBlock - 1) / kSortBlock * kBins);
  c.heads = p.scratch((c.ids + kChunk - 1) / kChunk * c.d);
  c.tails = p.scratch((c.ids + kChunk - 1) / kChunk * c.d);
}

// The ids of a call; v stands for no row.
struct Ids {
  const Index* whole;
  const float* numbers;
  Index v;

  __device__ Index operator[](Index i) const {
    if (whole) return whole[i] >= 0 && whole[i] < v ? whole[i] : v;
    // Truncation, as a cast to int: (-1, 0) is 0. NaN compares false.
    return numbers[i] > -1 && numbers[i] < static_cast<float>(v) ? static_cast<Index>(numbers[i]) : v;
  }
};

Ids ids_of(const Run& r, const Config& c) {
  return {c.int64 ? static_cast<const Index*>(r.x()) : nullptr,
          c.int64 ? nullptr : static_cast<const float*>(r.x()), c.v};
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Ids ids = ids_of(r, c);
  const float* const e = r.param(0);
  float* const y = r.y();
  const Index v = c.v, d = c.d;
  if (d % 4 == 0) {
    const Divider by_d(d / 4);
    for_each(r.stream, r.n * c.ids * (d / 4), [=] __device__(Index i) {
      const Index at = by_d.quotient(i), row = ids[at];
      Four f;
      for (int k = 0; k < 4; ++k) f.v[k] = NAN;
      if (row < v) f = reinterpret_cast<const Four*>(e)[row * (d / 4) + (i - at * (d / 4))];
      reinterpret_cast<Four*>(y)[i] = f;
    });
    return;
  }
  const Divider by_d(d);
  for_each(r.stream, r.n * c.ids * d, [=] __device__(Index i) {
    const Index at = by_d.quotient(i), row = ids[at];
    y[i] = row < v ? e[row * d + (i - at * d)] : NAN;
  });
}

// Exclusive sums of the counters of kSortThreads threads in shared memory, (kBins, threads), digit by
// digit; afterwards counter (digit, thread) is where that thread's first key goes within the block.
__device__ inline void scan_counters(const Block& t, std::int32_t* counter, std::int32_t* sums) {
  // Each thread takes kBins neighbours, then the sums of threads are added up.
  std::int32_t total = 0;
  for (int k = 0; k < kBins; ++k) total += counter[t.thread * kBins + k];
  sums[t.thread] = total;
  t.sync();
  for (int step = 1; step < kSortThreads; step *= 2) {
    const std::int32_t before = t.thread >= step ? sums[t.thread - step] : 0;
    t.sync();
    sums[t.thread] += before;
    t.sync();
  }
  std::int32_t at = sums[t.thread] - total;
  for (int k = 0; k < kBins; ++k) {
    const std::int32_t one = counter[t.thread * kBins + k];
    counter[t.thread * kBins + k] = at;
    at += one;
  }
  t.sync();
}

__device__ inline int digit_of(std::int32_t key, int shift) { return key >> shift & (kBins - 1); }

// Keys of a thread are neighbours, so that the order of equal keys stays.
__device__ inline void count_digits(const Block& t, const std::int32_t* key, Index first, Index count,
                                    int shift, std::int32_t* counter) {
  for (int k = 0; k < kBins; ++k) counter[k * kSortThreads + t.thread] = 0;
  for (int k = 0; k < kPerThread; ++k) {
    const Index i = first + t.thread * kPerThread + k;
    if (i < count) ++counter[digit_of(key[i], shift) * kSortThreads + t.thread];
  }
  t.sync();
}

Sorted sort(const Run& r, const Config& c) {
  const Index count = r.n * c.ids, blocks = (count + kSortBlock - 1) / kSortBlock;
  std::int32_t* key[2];
  std::int32_t* position[2];
  for (int k = 0; k < 2; ++k) key[k] = r.scratch(c.key[k]), position[k] = r.scratch(c.position[k]);
  std::int32_t* const counts = r.scratch(c.counts);  // (kBins, blocks)
  const Ids ids = ids_of(r, c);
  std::int32_t* const first_key = key[0];
  std::int32_t* const first_position = position[0];
  for_each(r.stream, count, [=] __device__(Index i) {
    first_key[i] = static_cast<std::int32_t>(ids[i]);
    first_position[i] = static_cast<std::int32_t>(i);
  });
  constexpr int kShared = (kBins + 1) * kSortThreads;
  for (int digit = 0; digit < c.digits; ++digit) {
    const int shift = digit * kDigit, from = digit % 2;
    const std::int32_t *const keys = key[from], *const positions = position[from];
    std::int32_t *const to_key = key[1 - from], *const to_position = position[1 - from];
    for_blocks(r.stream, blocks, kSortThreads, kShared, [=] __device__(Index b, Block t) {
      auto* const counter = reinterpret_cast<std::int32_t*>(t.shared);
      count_digits(t, keys, b * kSortBlock, count, shift, counter);
      if (t.thread >= kBins) return;
      std::int32_t sum = 0;
      for (int k = 0; k < kSortThreads; ++k) sum += counter[t.thread * kSortThreads + k];
      counts[t.thread * blocks + b] = sum;
    });
    // Where each block's keys of each digit begin.
    for_blocks(r.stream, 1, kSortThreads, kSortThreads, [=] __device__(Index, Block t) {
      auto* const sums = reinterpret_cast<std::int32_t*>(t.shared);
      const Index all = kBins * blocks, each = (all + kSortThreads - 1) / kSortThreads;
      const Index begin = t.thread * each, end = begin + each < all ? begin + each : all;
      std::int32_t total = 0;
      for (Index i = begin; i < end; ++i) total += counts[i];
      sums[t.thread] = total;
      t.sync();
      std::int32_t at = 0;
      for (int k = 0; k < t.thread; ++k) at += sums[k];
      for (Index i = begin; i < end; ++i) {
        const std::int32_t one = counts[i];
        counts[i] = at;
        at += one;
      }
    });
    for_blocks(r.stream, blocks, kSortThreads, kShared, [=] __device__(Index b, Block t) {
      auto* const counter = reinterpret_cast<std::int32_t*>(t.shared);
      const Index first = b * kSortBlock;
      count_digits(t, keys, first, count, shift, counter);
      scan_counters(t, counter, counter + kBins * kSortThreads);
      // What lies before this digit in the block; read before anybody moves on.
      std::int32_t base[kBins];
      for (int k = 0; k < kBins; ++k) base[k] = counter[k * kSortThreads];
      t.sync();
      for (int k = 0; k < kPerThread; ++k) {
        const Index i = first + t.thread * kPerThread + k;
        if (i >= count) break;
        const std::int32_t one = keys[i];
        const int d = digit_of(one, shift);
        const Index to = counts[d * blocks + b] + (counter[d * kSortThreads + t.thread]++ - base[d]);
        to_key[to] = one;
        to_position[to] = positions[i];
      }
    });
  }
  return {key[c.digits % 2], position[c.digits % 2]};
}

// A chunk writes the ids that lie inside it; what it has of the id that came before goes to `heads`,
// of the id that goes on behind it to `tails`.
void add_rows(const Run& r, const Config& c, const Sorted& sorted, float* de) {
  const Index count = r.n * c.ids, chunks = (count + kChunk - 1) / kChunk, v = c.v, d = c.d;
  const std::int32_t *const key = sorted.key, *const position = sorted.position;
  const float* const dy = r.dy();
  float *const heads = r.scratch(c.heads), *const tails = r.scratch(c.tails);
  zero_floats(r.stream, de, v * d);
  const int threads = d >= 128 ? 128 : d > 32 ? 64 : 32;
  for_blocks(r.stream, chunks, threads, 0, [=] __device__(Index b, Block t) {
    const Index begin = b * kChunk, end = begin + kChunk < count ? begin + kChunk : count;
    for (Index j = t.thread; j < d; j += t.threads) {
      float sum = 0;
      bool opened = begin == 0 || key[begin - 1] != key[begin];  // the id begins in this chunk
      for (Index i = begin; i < end; ++i) {
        const std::int32_t id = key[i];
        if (id < v) sum += dy[position[i] * d + j];
        const bool closes = i + 1 == count || key[i + 1] != id;
        if (!closes && i + 1 < end) continue;
        if (!opened) heads[b * d + j] = sum;
        else if (!closes) tails[b * d + j] = sum;
        else if (id < v) de[id * d + j] = sum;
        sum = 0;
        opened = true;
      }
    }
  });
  for_blocks(r.stream, chunks, threads, 0, [=] __device__(Index b, Block t) {
    const Index last = b * kChunk + kChunk - 1;
    if (last + 1 >= count) return;
    const std::int32_t id = key[last];
    if (id >= v || key[last + 1] != id) return;
    const Index first = b * kChunk;
    if (key[first] == id && first > 0 && key[first - 1] == id) return;  // began in an earlier chunk
    for (Index j = t.thread; j < d; j += t.threads) {
      float sum = tails[b * d + j];
      for (Index k = b + 1; k < chunks && key[k * kChunk] == id; ++k) sum += heads[k * d + j];
      de[id * d + j] = sum;
    }
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (r.dx()) zero_floats(r.stream, r.dx(), r.n * c.ids);
  if (r.dparam(0)) add_rows(r, c, sort(r, c), r.dparam(0));
}

}  // namespace

extern const OpDef op_embedding;
const OpDef op_embedding{"embedding", plan, forward, backward};

}  // namespace pyseq::cuda
