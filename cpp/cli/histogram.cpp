#include "cli/histogram.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>

namespace paxledger::cli {

using std::chrono::microseconds;

std::size_t Histogram::bucket_of(std::uint64_t value) {
  if (value < kHalf) return static_cast<std::size_t>(value);
  // 2^power × 64 <= value < 2^(power + 1) × 64; the six bits after the highest choose the bucket.
  const auto power = static_cast<std::size_t>(std::bit_width(value)) - 7;
  if (power >= kPowers) return kHalf * (kPowers + 1) - 1;
  return kHalf * (power + 1) + static_cast<std::size_t>((value >> power) - kHalf);
}

std::uint64_t Histogram::top_of(std::size_t bucket) {
  if (bucket < kHalf) return bucket;
  const std::size_t power = bucket / kHalf - 1;
  return ((kHalf + bucket % kHalf + 1) << power) - 1;
}

void Histogram::record(Duration duration) {
  duration = std::max(duration, Duration::zero());
  const auto value = std::chrono::duration_cast<microseconds>(duration).count();
  ++buckets_[bucket_of(static_cast<std::uint64_t>(value))];
  ++count_;
  sum_ += duration;
  max_ = std::max(max_, duration);
}

Duration Histogram::mean() const {
  return count_ == 0 ? Duration::zero() : sum_ / static_cast<std::int64_t>(count_);
}

Duration Histogram::percentile(double fraction) const {
  if (count_ == 0) return Duration::zero();
  const auto wanted = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(count_))));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen >= wanted) {
      return std::min<Duration>(microseconds(static_cast<std::int64_t>(top_of(bucket))), max_);
    }
  }
  return max_;
}

}  // namespace paxledger::cli
