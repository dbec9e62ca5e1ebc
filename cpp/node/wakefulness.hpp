// Keeping the processors of the machine awake while a node has something to do.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/result.hpp"
#include "base/time.hpp"

namespace paxledger::node {

// Where Linux takes requests for the latency of processors, and where it says what obeys them.
struct CpuLatencyFiles {
  // Takes the longest time, in microseconds, that a processor may need to wake up: four octets in
  // the machine's order (kernel documentation, "PM Quality of Service Interface"). The smallest
  // request counts for all processors, until whoever made it makes another, closes the file or
  // ends.
  std::string device = "/dev/cpu_dma_latency";
  // The driver that chooses how deeply an idle processor sleeps, and with a request of 0 lets it
  // poll. Without one a processor halts whatever is requested.
  std::string driver = "/sys/devices/system/cpu/cpuidle/current_driver";
};

// A processor that sleeps has to be interrupted for each message that comes, which in a virtual
// machine takes longer than to handle it, many times on the way of one write (decision 0019).
// Whoever pays for that with power lets a node keep all processors awake while it works, and for a
// moment longer, so that they do not fall asleep between one request and the next.
//
// Belongs to one thread.
//
// Invariants:
//  1. Processors are kept awake exactly from the end of a turn with work until the end of one at
//     rests_at() or later, or sleep().
//  2. The device is told only when that begins and when it ends, and both once when it is opened.
class Wakefulness {
 public:
  // Keeps them awake for `linger` after each work. Errors: io, if the device cannot be opened or
  // takes no request, or if nothing would obey it.
  static Result<Wakefulness> open(Duration linger, const CpuLatencyFiles& files = {});

  Wakefulness(Wakefulness&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)),
        linger_(other.linger_),
        rests_at_(other.rests_at_),
        awaited_something_(other.awaited_something_) {}
  Wakefulness& operator=(Wakefulness&&) = delete;
  Wakefulness(const Wakefulness&) = delete;
  Wakefulness& operator=(const Wakefulness&) = delete;
  ~Wakefulness();

  // What a turn of the node's loop did, and what it leaves to be waited for. Both are work, and
  // what was waited for until this turn has lasted until now.
  struct Turn {
    bool did_something = false;
    bool awaits_something = false;
  };
  // A turn ends. Lets the processors sleep if there was no work for long enough.
  void end_turn(Turn turn, Instant now);
  // Lets them sleep at once.
  void sleep();
  // When a turn without work lets them sleep; never() while they may.
  [[nodiscard]] Instant rests_at() const { return rests_at_; }

 private:
  Wakefulness(int fd, Duration linger) : fd_(fd), linger_(linger) {}
  // False, with errno, if the device does not take it.
  [[nodiscard]] bool request(std::int32_t microseconds) const;
  void close();

  int fd_ = -1;
  Duration linger_;
  Instant rests_at_ = Instant::never();
  bool awaited_something_ = false;  // since the last turn
};

}  // namespace paxledger::node
