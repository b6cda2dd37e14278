#include "kernels/random.h"

#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {
namespace {

using Word = std::uint32_t;
constexpr int kBlocks = 32;  // Philox blocks side by side

// One word of a block in the lower half of each lane, the upper half 0.
typedef std::uint64_t Words __attribute__((vector_size(kVectorBytes)));
constexpr int kWords = kVectorBytes / 8, kGroups = kBlocks / kWords;

// GCC does not see that 32 x 32 bits suffice.
PYSEQ_INLINE Words multiply(Words x, Words m) {
#if defined(__clang__) || !defined(__x86_64__)
  return x * m;
#else
  typedef int Halves __attribute__((vector_size(kVectorBytes)));
  [[maybe_unused]] typedef long long Result __attribute__((vector_size(kVectorBytes)));
#if defined(__AVX512F__)
  return (Words)__builtin_ia32_pmuludq512_mask((Halves)x, (Halves)m, Result{},
                                               static_cast<unsigned char>(-1));
#elif defined(__AVX2__)
  return (Words)__builtin_ia32_pmuludq256((Halves)x, (Halves)m);
#else
  return (Words)__builtin_ia32_pmuludq128((Halves)x, (Halves)m);
#endif
#endif
}

// bits[4 * i + w] = word w of block first + i.
void philox(const RandomKey& key, std::uint64_t first, Word* bits) {
  constexpr std::uint64_t kLow = 0xffffffff;
  Words c0[kGroups], c1[kGroups], c2[kGroups], c3[kGroups];
  for (int g = 0; g < kGroups; ++g)
    for (int i = 0; i < kWords; ++i) {
      const std::uint64_t block = first + static_cast<std::uint64_t>(g * kWords + i);
      c0[g][i] = block & kLow;
      // Elements beyond 2^34 borrow bits that no op number uses.
      c1[g][i] = (key.op + (block >> 32 << 20)) & kLow;
      c2[g][i] = key.step & kLow, c3[g][i] = key.step >> 32;
    }
  Word k0 = static_cast<Word>(key.seed), k1 = static_cast<Word>(key.seed >> 32);
  const Words m0 = Words{} + 0xD2511F53u, m1 = Words{} + 0xCD9E8D57u;
  for (int round = 0; round < 10; ++round) {
    for (int g = 0; g < kGroups; ++g) {
      const Words p0 = multiply(c0[g], m0), p1 = multiply(c2[g], m1);
      c0[g] = (p1 >> 32) ^ c1[g] ^ std::uint64_t{k0};
      c2[g] = (p0 >> 32) ^ c3[g] ^ std::uint64_t{k1};
      c1[g] = p1 & kLow, c3[g] = p0 & kLow;
    }
    k0 += 0x9E3779B9, k1 += 0xBB67AE85;
  }
  for (int g = 0; g < kGroups; ++g) {
    const Words low = c0[g] | (c1[g] << 32), high = c2[g] | (c3[g] << 32);
    std::uint64_t pair[2][kWords];
    __builtin_memcpy(pair[0], &low, sizeof low);
    __builtin_memcpy(pair[1], &high, sizeof high);
    for (int i = 0; i < kWords; ++i) {
      const std::uint64_t both[2] = {pair[0][i], pair[1][i]};
      __builtin_memcpy(bits + 4 * (g * kWords + i), both, sizeof both);
    }
  }
}

// f(bits, count, from): the words of elements from + [0, count), in pieces.
template <class F>
PYSEQ_INLINE void for_words(const RandomKey& key, Index first, Index n, F&& f) {
  Word bits[4 * kBlocks];
  Index done = 0;
  while (done < n) {
    const Index element = first + done, skip = element % 4;
    philox(key, static_cast<std::uint64_t>(element / 4), bits);
    const Index left = 4 * kBlocks - skip, count = n - done < left ? n - done : left;
    f(bits + skip, count, done);
    done += count;
  }
}

constexpr real kUnit = static_cast<real>(1.0 / 16777216);

// sin and cos of 2 pi u, 0 <= u < 1, by quarter turns: minimax fits on an eighth of a turn.
PYSEQ_INLINE void sin_cos_turn(V u, V& sine, V& cosine) {
  constexpr float s[] = {1.57079637f, -0.64596349f, 0.0796802193f, -0.0046021454f};
  constexpr float c[] = {1.0f, -1.23370051f, 0.253669202f, -0.0208600685f, 0.000903625507f};
  const V turns = 4 * u;
  const VI quarter = __builtin_convertvector(turns + splat(real(0.5)), VI);
  const V f = turns - __builtin_convertvector(quarter, V), z = f * f;
  const V sf = f * detail::polynomial(z, s), cf = detail::polynomial(z, c);
  const VI swap = (quarter & 1) != 0;
  const VI sine_negative = (quarter & 2) != 0, cosine_negative = ((quarter + 1) & 2) != 0;
  sine = select(swap, cf, sf), cosine = select(swap, sf, cf);
  sine = select(sine_negative, -sine, sine);
  cosine = select(cosine_negative, -cosine, cosine);
}

}  // namespace

void random_uniform(const RandomKey& key, Index first, Index n, real* u) {
  for_words(key, first, n, [u](const Word* bits, Index count, Index at) {
    real* to = u + at;
    // Through int: the conversion that every ISA has.
    for (Index i = 0; i < count; ++i)
      to[i] = static_cast<real>(static_cast<std::int32_t>(bits[i] >> 8)) * kUnit;
  });
}

void random_normal(const RandomKey& key, Index first, Index n, real* z) {
  constexpr int kPairs = 2 * kBlocks;
  // Both members of a pair share its two words: start at an even element.
  const Index lead = first % 2;
  for_words(
      key, first - lead, n + lead + (n + lead) % 2, [=](const Word* bits, Index count, Index at) {
        real u[kPairs], v[kPairs];
        const int pairs = static_cast<int>(count / 2);
        for (int i = 0; i < kPairs; ++i) {
          const int j = i < pairs ? i : 0;
          // (0, 1): the half keeps log finite.
          u[i] =
              (static_cast<real>(static_cast<std::int32_t>(bits[2 * j] >> 8)) + real(0.5)) * kUnit;
          v[i] = static_cast<real>(static_cast<std::int32_t>(bits[2 * j + 1] >> 8)) * kUnit;
        }
        for (int i = 0; i < kPairs; i += kLanes) {
          const V radius = sqrt_v(-2 * log_v(load(u + i)));
          V sine, cosine;
          if constexpr (kFloat) {
            sin_cos_turn(load(v + i), sine, cosine);
          } else {
            const V angle = splat(static_cast<real>(6.283185307179586)) * load(v + i);
            sine = detail::per_lane(angle, [](double a) { return __builtin_sin(a); });
            cosine = detail::per_lane(angle, [](double a) { return __builtin_cos(a); });
          }
          store(u + i, radius * cosine);
          store(v + i, radius * sine);
        }
        for (int i = 0; i < pairs; ++i) {
          const Index to = at + 2 * i - lead;
          if (to >= 0) z[to] = u[i];
          if (to + 1 < n) z[to + 1] = v[i];
        }
      });
}

}  // namespace pyseq::PYSEQ_NS
