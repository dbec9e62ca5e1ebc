#include "node/durability.hpp"

#include <gtest/gtest.h>

#include "paxos/messages.hpp"

namespace paxledger::node {
namespace {

using std::chrono::milliseconds;

Instant at(int ms) {
  return Instant(milliseconds(ms));
}

// An acceptance of `slot`, to node 1.
paxos::Envelope accepted(std::uint64_t slot) {
  paxos::Accepted message;
  message.slot = Slot(slot);
  return {NodeId(1), message};
}

std::vector<std::uint64_t> slots_of(const std::vector<paxos::Envelope>& envelopes) {
  std::vector<std::uint64_t> slots;
  for (const auto& each : envelopes) {
    slots.push_back(std::get<paxos::Accepted>(each.message).slot.value());
  }
  return slots;
}

TEST(HeldMessages, NothingLeavesBeforeItsTicketIsDurable) {
  HeldMessages held;
  held.hold(Ticket(1), {accepted(11)}, at(0));
  held.hold(Ticket(2), {accepted(12), accepted(13)}, at(1));
  EXPECT_TRUE(held.release(Ticket(0)).empty());
  EXPECT_EQ(slots_of(held.release(Ticket(1))), (std::vector<std::uint64_t>{11}));
  EXPECT_EQ(held.tickets(), 1u);
  EXPECT_EQ(slots_of(held.release(Ticket(2))), (std::vector<std::uint64_t>{12, 13}));
}

TEST(HeldMessages, ADurableTicketReleasesTheEarlierOnesToo) {
  HeldMessages held;
  held.hold(Ticket(3), {accepted(1)}, at(0));
  held.hold(Ticket(5), {accepted(2)}, at(0));
  held.hold(Ticket(9), {accepted(3)}, at(0));
  EXPECT_EQ(slots_of(held.release(Ticket(7))), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(held.tickets(), 1u);
}

TEST(HeldMessages, EachMessageLeavesOnce) {
  HeldMessages held;
  held.hold(Ticket(1), {accepted(1)}, at(0));
  EXPECT_EQ(held.release(Ticket(1)).size(), 1u);
  EXPECT_TRUE(held.release(Ticket(1)).empty());
  EXPECT_TRUE(held.release(Ticket(100)).empty());
}

TEST(HeldMessages, ForgetsWhatAReplicaThatIsGonePromised) {
  HeldMessages held;
  held.hold(Ticket(1), {accepted(1)}, at(0));
  held.clear();
  EXPECT_TRUE(held.release(Ticket(1)).empty());
}

TEST(HeldMessages, KnowsSinceWhenTheOldestWaits) {
  HeldMessages held;
  EXPECT_EQ(held.oldest(), Instant::never());
  held.hold(Ticket(1), {}, at(5));
  held.hold(Ticket(2), {}, at(9));
  EXPECT_EQ(held.oldest(), at(5));
  EXPECT_TRUE(held.release(Ticket(1)).empty());
  EXPECT_EQ(held.oldest(), at(9));
}

TEST(HeldMessagesDeath, RefusesATicketThatDoesNotRise) {
  HeldMessages held;
  held.hold(Ticket(2), {}, at(0));
  EXPECT_DEATH(held.hold(Ticket(2), {}, at(0)), "tickets rise");
}

}  // namespace
}  // namespace paxledger::node
