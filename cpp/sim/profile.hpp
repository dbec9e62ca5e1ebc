// What kind of run a seed stands for. Hostile on purpose: small windows, tiny limits, short
// timeouts, slow links, in combinations that nobody would choose.
#pragma once

#include <cstdint>
#include <string>

#include "base/prng.hpp"
#include "sim/world.hpp"

namespace paxledger::sim {

struct Profile {
  Options options;
  std::uint64_t latency_us_max = 1000;
  std::uint64_t disk_us_max = 1000;
  std::uint64_t drop_permille = 0;
  std::uint64_t duplicate_permille = 0;
  std::uint64_t slow_permille = 0;  // messages that take twenty times as long
  std::uint64_t fault_every_ms = 0;
  bool crashes = false;
  bool partitions = false;
  bool wipes = false;
  std::uint64_t disasters_in_ten = 2;  // of the misfortunes, where disks may be lost
  bool pauses = false;
  bool slow_disks = false;
  bool clock_jumps = false;
  std::uint64_t clients = 1;
  std::uint64_t pipeline = 1;    // commands of one client at once
  std::uint64_t operations = 0;  // of one client
  std::uint64_t think_us_max = 0;
  std::uint64_t keys = 1;
  std::uint64_t session_ms = 0;
  std::uint64_t close_permille = 0;  // a client with nothing to do closes its session
  std::uint64_t rest_permille = 0;   // a client with nothing to do repeats open_session alone
  std::uint64_t patience_ms_max = 0;
  Duration safety_phase{0};

  [[nodiscard]] static Profile draw(Prng& prng);
  [[nodiscard]] std::string describe() const;
};

}  // namespace paxledger::sim
