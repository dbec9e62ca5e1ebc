#include "sim/run.hpp"

#include "sim/broken_invariant.hpp"
#include "sim/simulation.hpp"

namespace paxledger::sim {

Plan Plan::draw(std::uint64_t seed) {
  Plan plan;
  plan.seed = seed;
  Prng prng(Seed{seed});
  plan.profile = Profile::draw(prng);
  return plan;
}

std::string_view to_string(RunVerdict verdict) {
  switch (verdict) {
    case RunVerdict::passed:
      return "passed";
    case RunVerdict::crash:
      return "crash";
    case RunVerdict::liveness:
      return "liveness";
    case RunVerdict::correctness:
      break;
  }
  return "correctness";
}

RunReport run(const Plan& plan, const std::function<void(const Event&)>& watcher) {
  const CatchInvariants catching;
  RunReport report;
  Simulation simulation(plan, watcher);
  try {
    simulation.run_until(plan.profile.safety_phase);
    report.result = simulation.finish();
  } catch (const BrokenInvariant& broken) {
    report.result.verdict = RunVerdict::crash;
    report.result.failure = std::string("invariant: ") + broken.what();
    report.result.profile = plan.profile.describe();
    report.result.trace_hash = simulation.world().trace_hash();
    report.result.simulated = simulation.now();
  }
  report.faults = simulation.faults();
  report.beyond_limits = simulation.beyond_limits();
  return report;
}

}  // namespace paxledger::sim
