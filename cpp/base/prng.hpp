// Seeded pseudo-random numbers, the same on every platform.
//
// xoshiro256++ by Blackman and Vigna ("Scrambled linear pseudorandom number generators", 2021),
// its state filled by SplitMix64 as the authors advise. Not for secrets. The standard library's
// engines are portable but its distributions are not, so both are ours.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "base/invariant.hpp"

namespace paxledger {

struct Seed {
  std::uint64_t value = 0;
};

class Prng {
 public:
  explicit Prng(Seed seed) {
    std::uint64_t x = seed.value;
    for (auto& word : state_) {
      x += 0x9e3779b97f4a7c15;
      std::uint64_t z = x;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      word = z ^ (z >> 31);
    }
  }

  std::uint64_t next() {
    const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // Uniform in [0, bound). Precondition: bound > 0. Without modulo bias, by rejection.
  std::uint64_t below(std::uint64_t bound) {
    invariant(bound > 0, "Prng::below needs a positive bound");
    const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    std::uint64_t draw = next();
    while (draw >= limit) draw = next();
    return draw % bound;
  }

  // Uniform in [low, high]. Precondition: low <= high, and not the whole 64-bit range.
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    return low + below(high - low + 1);
  }

  // All that the further numbers follow from.
  [[nodiscard]] const std::array<std::uint64_t, 4>& state() const { return state_; }

  // True with probability numerator / denominator.
  bool chance(std::uint64_t numerator, std::uint64_t denominator) {
    return below(denominator) < numerator;
  }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace paxledger
