// A number that two runs share only if the same things happened in them.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"

namespace paxledger::sim {

// Depends on the order of what was added, and on nothing of the machine: equal on every build type
// and compiler. Not for use against people who search for collisions.
class TraceHash {
 public:
  void add(std::uint64_t word) {
    // The finalizer of SplitMix64 (Steele, Lea, Flood 2014) over state and word.
    std::uint64_t z = (state_ ^ word) + 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    state_ = z ^ (z >> 31);
  }
  void add(std::string_view octets) {
    add(octets.size());
    std::size_t at = 0;
    for (; at + 8 <= octets.size(); at += 8) add(read_le<std::uint64_t>(octets, at));
    std::uint64_t rest = 0;
    for (; at < octets.size(); ++at) rest = rest << 8 | static_cast<unsigned char>(octets[at]);
    add(rest);
  }

  [[nodiscard]] std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0x706178'6c6564;  // "paxled"
};

}  // namespace paxledger::sim
