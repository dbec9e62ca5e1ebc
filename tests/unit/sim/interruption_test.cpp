// Long work of the simulator can be ended from outside, and finish() goes on where it was.
#include "sim/interruption.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "sim/linearizability.hpp"
#include "sim/simulation.hpp"

namespace paxledger::sim {
namespace {

TEST(InterruptionTest, WorkThatNobodyMayInterruptGoesOn) {
  EXPECT_NO_THROW(check_interruption());
  std::atomic<bool> asked = true;
  {
    const Interruptible interruptible(asked);
    EXPECT_THROW(check_interruption(), Interrupted);
    std::atomic<bool> asked_within = false;
    const Interruptible within(asked_within);
    EXPECT_NO_THROW(check_interruption());
  }
  EXPECT_NO_THROW(check_interruption());
}

TEST(InterruptionTest, EndsASearchForAnOrder) {
  std::atomic<bool> asked = false;
  const Interruptible interruptible(asked);
  RegisterOperation write;
  write.kind = RegisterOperation::Kind::write;
  write.value = "v";
  write.known = true;
  write.invoked = 1;
  write.answered = 2;
  EXPECT_TRUE(check_register({write}).linearizable);
  asked = true;
  EXPECT_THROW((void)check_register({write}), Interrupted);
}

// A run whose end has all phases: a node is down, and clients wait for it.
Plan plan() {
  Plan plan;
  plan.seed = 1;
  plan.profile = Profile::usual();
  plan.profile.work.clients = 10;
  plan.profile.work.patience_ms_max = 5000;
  plan.profile.safety_phase = std::chrono::seconds(1);
  Fault crash;
  crash.kind = FaultKind::crash;
  crash.node = NodeId(2);
  plan.script.push_back({Instant() + std::chrono::milliseconds(1990), crash});
  return plan;
}

TEST(InterruptionTest, AnInterruptedEndIsTheEndThatItWouldHaveBeen) {
  const RunResult whole = run(plan()).result;
  ASSERT_TRUE(whole.passed()) << whole.failure;
  // Ends after every so many events, again and again, until it comes to its end.
  std::atomic<bool> asked = false;
  std::uint64_t events = 0;
  bool ending = false;
  Simulation simulation(plan(), [&](const Event&) {
    if (ending && ++events % 10 == 0) asked = true;
  });
  simulation.run_until(plan().profile.safety_phase);
  ending = true;
  const Interruptible interruptible(asked);
  RunResult result;
  int interruptions = 0;
  for (bool done = false; !done;) {
    try {
      result = simulation.finish();
      done = true;
    } catch (const Interrupted&) {
      ++interruptions;
      asked = false;
    }
  }
  EXPECT_GT(interruptions, 2);
  EXPECT_EQ(result.verdict, whole.verdict);
  EXPECT_EQ(result.trace_hash, whole.trace_hash);
  EXPECT_EQ(result.recovery_ms, whole.recovery_ms);
  EXPECT_EQ(result.answered, whole.answered);
  EXPECT_EQ(result.simulated, whole.simulated);
}

}  // namespace
}  // namespace paxledger::sim
