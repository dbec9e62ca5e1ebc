// What is done to a simulated cluster, as values: random runs draw them, scripts name them, traces
// record them, and a run that is made smaller leaves some of them out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "sim/simulated_disk.hpp"

namespace paxledger::sim {

// One direction of a link.
struct Link {
  NodeId from;
  NodeId to;
  auto operator<=>(const Link&) const = default;
};

// What happens to messages on a link on top of what the network does anyway.
struct LinkEffect {
  std::uint32_t drop_permille = 0;
  std::uint32_t duplicate_permille = 0;
  std::uint32_t reorder_permille = 0;  // overtaken by what is sent later
  Duration delay{0};
  Duration jitter{0};  // up to so much more delay
  bool operator==(const LinkEffect&) const = default;
};

enum class FaultKind : std::uint8_t {
  cut,         // `links` carry nothing
  mend,        // `links` carry everything again; no links: all of them
  disturb,     // `links` do as `effect` says
  crash,       // power loss of `node`; what was not synced fares as `unsynced` and `draw` say
  kill,        // the process of `node` ends; its disk keeps what was written
  start,       // `node` starts again, if it is down
  pause,       // `node` stands still for `duration`; zero: until it is resumed
  resume,      // `node` goes on
  lose_disk,   // all that `node` has on disk is gone; the node goes down
  damage,      // block files of `node` are found damaged, as `draw` says; the node goes down
  flip_bit,    // a bit of a file of `node` flips, whether it runs or not, as `draw` says
  fail_sync,   // the next sync of a file of `node` fails, which ends it: which, as `draw` says
  fail_write,  // the same of a write, half of which was done
  full_disk,   // the disk of `node` takes `amount` more octets for `duration`; zero: until healed
  slow_disk,   // no write of `node` ends for `duration`
  tamper,      // blocks that `node` sends are altered on their way for `duration`
  clock_jump,  // the wall clock of `node` jumps by `amount` microseconds
  clock_rate,  // the clocks of `node` run faster by `amount` parts in a million
  heal,        // no fault any more: links, pauses, disks, clocks; nodes that are down start
};

struct Fault {
  FaultKind kind = FaultKind::heal;
  NodeId node;
  std::vector<Link> links;
  LinkEffect effect;
  Duration duration{0};
  std::int64_t amount = 0;
  std::uint64_t draw = 0;  // the seed of what the fault itself leaves to chance
  std::optional<SimulatedDisk::Unsynced> unsynced;  // nothing: as `draw` says
  std::string label;                                // for people, e.g. "partition 1 2 | 3"
};

struct TimedFault {
  Instant at;
  Fault fault;
};

// e.g. "slow_disk"; the name of a kind in traces and scripts.
[[nodiscard]] std::string_view to_string(FaultKind kind);
// e.g. "torn".
[[nodiscard]] std::string_view to_string(SimulatedDisk::Unsynced unsynced);
// For people, e.g. "partition 1 2 | 3" or "pause node 2 for 120ms".
[[nodiscard]] std::string describe(const Fault& fault);
// Whether it is about a node that is not one of 1 … `nodes`.
[[nodiscard]] bool names_above(const Fault& fault, std::uint32_t nodes);

}  // namespace paxledger::sim
