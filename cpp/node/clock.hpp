// The only place of the daemon that looks at a clock.
#pragma once

#include "base/time.hpp"

namespace paxledger::node {

// Monotonic time since the machine started; never falls within a process.
[[nodiscard]] Instant monotonic_now();

// Wall time, for the timestamps of blocks. May jump.
[[nodiscard]] Timestamp wall_now();

}  // namespace paxledger::node
