// Time is an argument here, never something to be looked up.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <limits>

namespace paxledger {

using Duration = std::chrono::nanoseconds;

// A point on a node's monotonic clock. Only differences have a meaning; two nodes' instants
// cannot be compared.
class Instant {
 public:
  constexpr Instant() = default;
  constexpr explicit Instant(Duration since_origin) : since_origin_(since_origin) {}

  static constexpr Instant never() { return Instant(Duration::max()); }

  [[nodiscard]] constexpr Duration since_origin() const { return since_origin_; }
  constexpr auto operator<=>(const Instant&) const = default;

  // Saturates at never().
  friend constexpr Instant operator+(Instant at, Duration by) {
    if (by > Duration::zero() && at.since_origin_ > Duration::max() - by) return never();
    return Instant(at.since_origin_ + by);
  }
  friend constexpr Instant operator-(Instant at, Duration by) {
    return Instant(at.since_origin_ - by);
  }
  friend constexpr Duration operator-(Instant a, Instant b) {
    return a.since_origin_ - b.since_origin_;
  }

 private:
  Duration since_origin_{0};
};

// Wall time as it stands in blocks: microseconds since 1970-01-01T00:00Z, without leap seconds.
class Timestamp {
 public:
  constexpr Timestamp() = default;
  constexpr explicit Timestamp(std::uint64_t microseconds) : microseconds_(microseconds) {}
  [[nodiscard]] constexpr std::uint64_t microseconds() const { return microseconds_; }
  constexpr auto operator<=>(const Timestamp&) const = default;

 private:
  std::uint64_t microseconds_ = 0;
};

}  // namespace paxledger
