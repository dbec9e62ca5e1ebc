// What costs memory or bandwidth has a bound.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

#include "scenario/play.hpp"

namespace paxledger::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// --- bounds -----------------------------------------------------------------------------------

TEST(Bounds, HoldForTheOctetsOfRequestsThatFindNoLeader) {
  Options options = nodes(3);
  options.limits.pending_bytes_max = 10'000;
  Play play(options);
  const std::string value(1000, 'x');
  std::size_t refused = 0;
  for (std::uint64_t sequence = 1; sequence <= 40; ++sequence) {
    const RequestKey key = play.put(kTwo, sequence, value, seconds(30));
    refused += play.code_of(key) == ErrorCode::overloaded ? 1 : 0;
  }
  EXPECT_GE(refused, 29u);
  EXPECT_LE(refused, 31u);
}

// A follower that misses one slot cannot apply those above it. What it accepts meanwhile is bounded
// by its weight, not only by its number.
TEST(Bounds, HoldForTheOctetsThatAFollowerAcceptsAheadOfWhatItCanApply) {
  Options options = nodes(3);
  options.limits.window_bytes = 2000;
  options.limits.batch_commands_max = 1;
  Serving play(options);
  bool cut = true;
  const Slot gap(play.world().status(kThree).head.height.value() + 1);
  play.loses = [&](const InFlight& flight) {
    const auto* accept = std::get_if<paxos::Accept>(&flight.message);
    return cut && flight.to == kThree &&
           (is<paxos::Blocks>(flight) || (accept != nullptr && accept->slot == gap));
  };
  const std::string value(500, 'x');
  std::size_t most = 0;
  for (std::uint64_t sequence = 1; sequence <= 60; ++sequence) {
    play.put(kOne, sequence, value);
    play.run(milliseconds(5));
    std::size_t bytes = 0;
    for (const auto& [slot, accepted] : play.world().replica(kThree).durable().accepted) {
      bytes += accepted.value.size();
    }
    most = std::max(most, bytes);
  }
  EXPECT_LE(most, 5 * options.limits.window_bytes);
  EXPECT_LT(play.world().status(kThree).head.height, height_of(gap));
  cut = false;
  EXPECT_TRUE(
      play.reach([&] { return play.world().status(kThree).head == play.world().status(kOne).head; },
                 seconds(5)));
  play.expect_no_violations();
}

// A peer that does not answer is merely slow, perhaps because so much is on its way to it. It is
// not sent everything again and again.
TEST(Bounds, HoldForWhatIsSentAgainToAPeerThatDoesNotAnswer) {
  Options options = nodes(3);
  options.limits.catch_up_bytes = 4000;
  options.limits.batch_commands_max = 1;
  Serving play(options);
  play.loses = [](const InFlight& flight) { return is<paxos::Accepted>(flight); };
  const std::string value(900, 'x');
  for (std::uint64_t sequence = 1; sequence <= 60; ++sequence) play.put(kOne, sequence, value);
  play.run(milliseconds(20));
  std::map<NodeId, std::size_t> sent;
  play.on_sent = [&](const InFlight& flight) {
    const auto* accept = std::get_if<paxos::Accept>(&flight.message);
    if (accept != nullptr) sent[flight.to] += accept->value.size();
  };
  play.run(4 * options.timing.resend_interval);
  for (const auto& [peer, bytes] : sent) EXPECT_LE(bytes, 5 * options.limits.catch_up_bytes);
  EXPECT_EQ(sent.size(), 2u);
  play.loses = nullptr;
  EXPECT_TRUE(
      play.reach([&] { return play.world().status(kTwo).head.height >= Height(60); }, seconds(10)));
  play.expect_no_violations();
}

}  // namespace
}  // namespace paxledger::sim
