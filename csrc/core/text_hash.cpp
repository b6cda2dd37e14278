#include "core/text_hash.h"

#include <bit>
#include <utility>

namespace pyseq {
namespace {

using Word = std::uint64_t;
using Pair = std::pair<Word, Word>;

constexpr Word kK0 = 0xC3A5C85C97CB3127u, kK1 = 0xB492B66FBE98F273u, kK2 = 0x9AE16A3B2F90404Fu;

Word mix(Word v) { return v ^ v >> 47; }

Word hash16(Word u, Word v, Word multiplier) {
  const Word a = mix((u ^ v) * multiplier), b = mix((v ^ a) * multiplier);
  return b * multiplier;
}

// `size` bytes at `at`, little-endian on every machine.
Word fetch(std::string_view s, std::size_t at, std::size_t size = 8) {
  Word v = 0;
  for (std::size_t i = 0; i < size; ++i) v |= Word{static_cast<unsigned char>(s[at + i])} << 8 * i;
  return v;
}

Word short_hash(std::string_view s) {
  const std::size_t n = s.size();
  const Word multiplier = kK2 + 2 * n;
  if (n >= 8) {
    const Word a = fetch(s, 0) + kK2, b = fetch(s, n - 8);
    const Word c = std::rotr(b, 37) * multiplier + a, d = (std::rotr(a, 25) + b) * multiplier;
    return hash16(c, d, multiplier);
  }
  if (n >= 4) return hash16(n + (fetch(s, 0, 4) << 3), fetch(s, n - 4, 4), multiplier);
  if (n == 0) return kK2;
  const Word y = fetch(s, 0, 1) + (fetch(s, n >> 1, 1) << 8), z = n + (fetch(s, n - 1, 1) << 2);
  return mix(y * kK2 ^ z * kK0) * kK2;
}

Word medium_hash(std::string_view s) {
  const std::size_t n = s.size();
  const Word multiplier = kK2 + 2 * n;
  const Word a = fetch(s, 0) * (n <= 32 ? kK1 : kK2), b = fetch(s, 8);
  const Word c = fetch(s, n - 8) * multiplier, d = fetch(s, n - 16) * kK2;
  const Word y = std::rotr(a + b, 43) + std::rotr(c, 30) + d, v = a + std::rotr(b + kK2, 18) + c;
  if (n <= 32) return hash16(y, v, multiplier);
  const Word z = hash16(y, v, multiplier);
  const Word e = fetch(s, 16) * multiplier, f = fetch(s, 24);
  const Word g = (y + fetch(s, n - 32)) * multiplier, h = (z + fetch(s, n - 24)) * multiplier;
  return hash16(std::rotr(e + f, 43) + std::rotr(g, 30) + h, e + std::rotr(f + a, 18) + g, multiplier);
}

Pair weak_hash(std::string_view s, std::size_t at, Word a, Word b) {
  const Word w = fetch(s, at), x = fetch(s, at + 8), y = fetch(s, at + 16), z = fetch(s, at + 24);
  a += w;
  b = std::rotr(b + a + z, 21);
  const Word c = a;
  a += x + y;
  b += std::rotr(a, 44);
  return {a + z, b + c};
}

struct Long {
  Word x, y, z;
  Pair v{0, 0}, w{0, 0};

  void round(std::string_view s, std::size_t at, Word multiplier, Word nine) {
    x = std::rotr(x + y + v.first + fetch(s, at + 8), 37) * multiplier;
    y = std::rotr(y + v.second + fetch(s, at + 48), 42) * multiplier;
    x ^= w.second * nine;
    y += v.first * nine + fetch(s, at + 40);
    z = std::rotr(z + w.first, 33) * multiplier;
    v = weak_hash(s, at, v.second * multiplier, x + w.first);
    w = weak_hash(s, at + 32, z + w.second, y + fetch(s, at + 16));
    std::swap(x, z);
  }
};

}  // namespace

std::uint64_t fingerprint64(std::string_view s) {
  const std::size_t n = s.size();
  if (n <= 16) return short_hash(s);
  if (n <= 64) return medium_hash(s);
  Long h{81, 81 * kK1 + 113, 0};
  h.z = mix(h.y * kK2 + 113) * kK2;
  h.x = h.x * kK2 + fetch(s, 0);
  for (std::size_t at = 0; at < (n - 1) / 64 * 64; at += 64) h.round(s, at, kK1, 1);
  const Word multiplier = kK1 + ((h.z & 0xFF) << 1);
  h.w.first += (n - 1) & 63;
  h.v.first += h.w.first;
  h.w.first += h.v.first;
  h.round(s, n - 64, multiplier, 9);
  return hash16(hash16(h.v.first, h.w.first, multiplier) + mix(h.y) * kK0 + h.z,
                hash16(h.v.second, h.w.second, multiplier) + h.x, multiplier);
}

std::uint64_t siphash64(std::string_view s, const std::array<std::uint64_t, 2>& key) {
  Word a = key[0] ^ 0x736F6D6570736575u, b = key[1] ^ 0x646F72616E646F6Du;
  Word c = key[0] ^ 0x6C7967656E657261u, d = key[1] ^ 0x7465646279746573u;
  const auto rounds = [&](int count) {
    for (int i = 0; i < count; ++i) {
      a += b;
      b = std::rotl(b, 13) ^ a;
      a = std::rotl(a, 32);
      c += d;
      d = std::rotl(d, 16) ^ c;
      a += d;
      d = std::rotl(d, 21) ^ a;
      c += b;
      b = std::rotl(b, 17) ^ c;
      c = std::rotl(c, 32);
    }
  };
  const auto take = [&](Word word) {
    d ^= word;
    rounds(2);
    a ^= word;
  };
  const std::size_t whole = s.size() / 8 * 8;
  for (std::size_t at = 0; at < whole; at += 8) take(fetch(s, at));
  take(fetch(s, whole, s.size() - whole) | Word{s.size() & 0xFF} << 56);
  c ^= 0xFF;
  rounds(4);
  return a ^ b ^ c ^ d;
}

}  // namespace pyseq
