// Counting what was not taken in or not sent out, and saying so without flooding the log.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.hpp"

namespace paxledger::net {

// Why something was dropped. Every drop of this module has exactly one of these.
enum class DropReason : std::uint8_t {
  malformed,        // not msgpack, wrong arity or type, over a limit
  too_many_frames,  // a message of more than kFramesMax frames, or of the wrong number
  other_version,
  other_cluster,
  other_recipient,  // meant for another node
  unknown_sender,   // names a node that is not in the configuration
  queue_full,       // the socket's or the link filter's queue was full
  not_connected,    // the peer, or the client, is not connected
  too_large,        // a message that no packet can carry
  fault_injected,   // dropped on purpose by the link filter
};
inline constexpr std::size_t kDropReasons = 10;

// "malformed", "too_many_frames", … as they stand in the metrics.
[[nodiscard]] std::string_view to_string(DropReason reason);

// One counter per reason. Not thread-safe.
class DropCounter {
 public:
  void count(DropReason reason, std::uint64_t times = 1) {
    counts_[static_cast<std::size_t>(reason)] += times;
  }
  [[nodiscard]] std::uint64_t of(DropReason reason) const {
    return counts_[static_cast<std::size_t>(reason)];
  }
  [[nodiscard]] std::uint64_t total() const;
  [[nodiscard]] const std::array<std::uint64_t, kDropReasons>& counts() const { return counts_; }

 private:
  std::array<std::uint64_t, kDropReasons> counts_{};
};

// Allows one log line per interval, and tells how many were held back since the one before.
class LogPacer {
 public:
  explicit LogPacer(Duration interval = std::chrono::seconds(1)) : interval_(interval) {}

  // The number of lines held back since the last allowed one, or nothing: hold this one back too.
  std::optional<std::uint64_t> allow(Instant now) {
    if (began_ && now < next_) {
      ++held_back_;
      return std::nullopt;
    }
    began_ = true;
    next_ = now + interval_;
    const std::uint64_t held_back = held_back_;
    held_back_ = 0;
    return held_back;
  }

 private:
  Duration interval_;
  bool began_ = false;
  Instant next_;
  std::uint64_t held_back_ = 0;
};

}  // namespace paxledger::net
