#include "node/clock.hpp"

#include <chrono>

namespace paxledger::node {

Instant monotonic_now() {
  return Instant(std::chrono::steady_clock::now().time_since_epoch());
}

Timestamp wall_now() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return Timestamp(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count()));
}

}  // namespace paxledger::node
