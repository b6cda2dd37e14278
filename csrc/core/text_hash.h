#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace pyseq {

// The hashes of tokens without a number of their own; the same as pyseq/layers/preprocessing/hashing.py.

// The 64-bit FarmHash fingerprint (Pike and Alakuijala, farmhashna).
std::uint64_t fingerprint64(std::string_view s);
// SipHash-2-4 (Aumasson and Bernstein, 2012).
std::uint64_t siphash64(std::string_view s, const std::array<std::uint64_t, 2>& key);

}  // namespace pyseq
