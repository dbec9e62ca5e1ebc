// Counts of durations, in buckets whose width grows with the value.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.hpp"

namespace paxledger::cli {

// Log-linear, after the idea of HdrHistogram: every power of two of microseconds is divided into
// 64 buckets, so that a percentile is at most 1.6 % above the true value; values below 64 µs are
// exact to the microsecond. Fixed memory, whatever is recorded.
class Histogram {
 public:
  void record(Duration duration);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] Duration mean() const;
  [[nodiscard]] Duration max() const { return max_; }
  // The smallest recorded value, as far as buckets can tell, that is not below the share
  // `fraction` (0 … 1) of all. Zero if nothing was recorded.
  [[nodiscard]] Duration percentile(double fraction) const;

 private:
  static constexpr std::size_t kHalf = 64;    // buckets for each power of two
  static constexpr std::size_t kPowers = 40;  // up to 2^40 µs, twelve days
  [[nodiscard]] static std::size_t bucket_of(std::uint64_t microseconds);
  // The greatest value of a bucket.
  [[nodiscard]] static std::uint64_t top_of(std::size_t bucket);

  std::array<std::uint64_t, kHalf*(kPowers + 1)> buckets_{};
  std::uint64_t count_ = 0;
  Duration sum_{0};
  Duration max_{0};
};

}  // namespace paxledger::cli
