// A random run of a cluster: random size, settings, clients and faults, all from one seed.
//
// First a safety phase with faults, then everything is healed and progress is demanded.
#pragma once

#include <cstdint>
#include <string>

namespace paxledger::sim {

// A bug that the run plants on purpose, to show that the checkers catch it.
enum class PlantedBug {
  none,
  lying_disk,     // reports writes as durable and loses them at a crash
  forgetful_log,  // starts without the acceptances that it made durable
  shared_session  // two clients use one session, so one of them gets results of the other
};

struct RunResult {
  bool passed = false;
  std::string failure;  // what was promised and did not hold
  std::string profile;  // what kind of run it was
  std::uint64_t height = 0;
  std::uint64_t answered = 0;
  std::uint64_t faults = 0;
  std::uint64_t elections = 0;
  std::uint64_t undecided_histories = 0;  // the linearizability search was given up
  std::uint64_t recovery_ms = 0;          // virtual time from the healing to full service
  double recovery_election_timeouts = 0;  // the same, in election timeouts of the run
};

// Equal seeds give equal runs. With `trace`, every event is written to standard output.
[[nodiscard]] RunResult run(std::uint64_t seed, PlantedBug bug = PlantedBug::none,
                            bool trace = false);

}  // namespace paxledger::sim
