// What kind of run a seed stands for. Hostile on purpose: small windows, tiny limits, short
// timeouts, slow links, in combinations that nobody would choose.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.hpp"
#include "base/time.hpp"
#include "sim/network.hpp"
#include "sim/world.hpp"

namespace paxledger::sim {

// What may go wrong in random runs. Each kind is drawn by the seed or chosen by name.
struct FaultProfile {
  std::uint64_t every_ms = 100;  // at most so long from one misfortune to the next
  bool crashes = false;
  bool kills = false;
  bool partitions = false;
  bool links = false;                  // links lose, delay, double and reorder more than others
  bool disks = false;                  // lost and damaged disks, never more than a minority
  std::uint64_t disasters_in_ten = 2;  // of the misfortunes, where disks may be lost
  bool pauses = false;
  bool slow_disks = false;
  bool bit_flips = false;    // of a minority of disks; they are found some time
  bool disk_errors = false;  // syncs and writes fail, which ends the node
  bool full_disks = false;   // for a while, which ends the node
  bool tampering = false;    // one node's blocks are altered on their way to others
  bool forgery = false;      // in the end somebody rewrites the blocks of a node
  bool clocks = false;       // wall clocks jump, and all clocks run fast or slow

  [[nodiscard]] static FaultProfile none() { return {}; }
  [[nodiscard]] static FaultProfile all();
  // e.g. "crashes"; false if there is no such kind.
  bool set(std::string_view kind, bool on);
  // Precondition: there is such a kind.
  [[nodiscard]] bool has(std::string_view kind) const;
  [[nodiscard]] static const std::vector<std::string_view>& kinds();
  [[nodiscard]] bool any() const;
};

// What the clients do.
struct WorkProfile {
  std::uint64_t clients = 1;
  std::uint64_t pipeline = 1;         // commands of one client at once
  std::uint64_t operations = 0;       // of one client
  std::uint64_t think_us_max = 1000;  // between two turns of a client
  std::uint64_t keys = 1;
  std::uint64_t reads_percent = 40;
  std::uint64_t session_ms = 0;
  std::uint64_t close_permille = 0;  // a client with nothing to do closes its session
  std::uint64_t rest_permille = 0;   // a client with nothing to do repeats open_session alone
  std::uint64_t patience_ms_max = 1000;
};

struct Profile {
  Options options;
  NetworkProfile network;
  std::uint64_t disk_us_max = 1000;
  FaultProfile faults;
  WorkProfile work;
  Duration safety_phase{0};

  // As a seed draws it: hostile on purpose.
  [[nodiscard]] static Profile draw(Prng& prng);
  // As people would run it: the product's default timing, a local network, and no faults.
  [[nodiscard]] static Profile usual();
  [[nodiscard]] std::string describe() const;
};

}  // namespace paxledger::sim
