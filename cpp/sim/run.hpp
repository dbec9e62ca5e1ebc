// Runs of a simulated cluster, from a plan to a verdict.
//
// First a safety phase with faults, then everything is healed and progress is demanded.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "sim/event.hpp"
#include "sim/fault.hpp"
#include "sim/profile.hpp"

namespace paxledger::sim {

// A bug that the run plants on purpose, to show that the checkers catch it.
enum class PlantedBug {
  none,
  lying_disk,     // reports writes as durable and loses them at a crash
  forgetful_log,  // starts without the acceptances that it made durable
  shared_session  // two clients use one session, so one of them gets results of the other
};

// Everything that a run follows from.
struct Plan {
  std::uint64_t seed = 0;
  Profile profile;
  bool misfortunes = true;  // faults by chance, as the profile has them
  std::vector<TimedFault> script;
  PlantedBug bug = PlantedBug::none;

  // What the seed stands for.
  [[nodiscard]] static Plan draw(std::uint64_t seed);
};

enum class RunVerdict : std::uint8_t {
  passed,
  crash,        // an invariant broke
  liveness,     // everything was healed, and the cluster does not serve
  correctness,  // a promise was broken
};
[[nodiscard]] std::string_view to_string(RunVerdict verdict);

struct RunResult {
  RunVerdict verdict = RunVerdict::passed;
  std::string failure;  // what was promised and did not hold
  std::string profile;  // what kind of run it was
  std::uint64_t trace_hash = 0;
  Duration simulated{0};  // in all
  std::uint64_t height = 0;
  std::uint64_t answered = 0;
  std::uint64_t faults = 0;
  std::uint64_t elections = 0;
  std::uint64_t undecided_histories = 0;  // the linearizability search was given up
  std::uint64_t recovery_ms = 0;          // virtual time from the healing to full service
  double recovery_election_timeouts = 0;  // the same, in election timeouts of the run

  [[nodiscard]] bool passed() const { return verdict == RunVerdict::passed; }
};

struct RunReport {
  RunResult result;
  std::vector<TimedFault> faults;  // all that was done, as a script of its own
  // A script did what chance never does (Faults::allows): then nothing was promised.
  bool beyond_limits = false;
};

// Equal plans give equal runs, on every machine, build type and compiler. A broken invariant is a
// verdict. `watcher` hears of every event.
[[nodiscard]] RunReport run(const Plan& plan,
                            const std::function<void(const Event&)>& watcher = {});

}  // namespace paxledger::sim
