#include "net/link_filter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace paxledger::net {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

const NodeId kPeer{2};
const NodeId kOther{3};

Instant at(Duration since) {
  return Instant(since);
}

std::vector<std::string> names(const std::vector<OutgoingPacket>& packets) {
  std::vector<std::string> result;
  for (const auto& packet : packets) result.push_back(packet.octets);
  return result;
}

TEST(LinkFilter, LetsEverythingPassWithoutAFault) {
  LinkFilter filter(Seed{1});
  std::vector<OutgoingPacket> ready;
  filter.offer({kPeer, "a"}, at(0ms), ready);
  filter.offer({kPeer, "b"}, at(0ms), ready);
  EXPECT_THAT(names(ready), ElementsAre("a", "b"));
  EXPECT_EQ(filter.next_deadline(), Instant::never());
}

TEST(LinkFilter, BlocksOneDirectionOfOneLinkOnly) {
  LinkFilter filter(Seed{1});
  filter.set(kPeer, {.blocked = true});
  std::vector<OutgoingPacket> ready;
  filter.offer({kPeer, "a"}, at(0ms), ready);
  filter.offer({kOther, "b"}, at(0ms), ready);
  EXPECT_THAT(names(ready), ElementsAre("b"));
  EXPECT_EQ(filter.drops().of(DropReason::fault_injected), 1U);
  EXPECT_TRUE(filter.takes_in(kPeer));

  filter.set(kPeer, {.blocked_incoming = true});
  EXPECT_FALSE(filter.takes_in(kPeer));
  EXPECT_TRUE(filter.takes_in(kOther));
  ready.clear();
  filter.offer({kPeer, "c"}, at(0ms), ready);
  EXPECT_THAT(names(ready), ElementsAre("c"));

  filter.clear();
  EXPECT_TRUE(filter.takes_in(kPeer));
  EXPECT_TRUE(filter.faults().empty());
}

TEST(LinkFilter, DelaysAndKeepsTheOrderInSpiteOfJitter) {
  LinkFilter filter(Seed{2});
  filter.set(kPeer, {.delay = 10ms, .jitter = 50ms});
  std::vector<OutgoingPacket> ready;
  std::vector<std::string> sent;
  for (int i = 0; i < 100; ++i) {
    sent.push_back(std::to_string(i));
    filter.offer({kPeer, sent.back()}, at(i * 1ms), ready);
  }
  EXPECT_TRUE(ready.empty());
  EXPECT_GE(filter.next_deadline(), at(10ms));
  EXPECT_LE(filter.next_deadline(), at(60ms));
  filter.take_due(at(9ms), ready);
  EXPECT_TRUE(ready.empty());
  filter.take_due(at(160ms), ready);
  EXPECT_EQ(names(ready), sent);
  EXPECT_EQ(filter.held_bytes(), 0U);
}

TEST(LinkFilter, DropsAboutAsManyAsItIsTold) {
  LinkFilter filter(Seed{3});
  filter.set(kPeer, {.drop_ppm = parts_per_million(0.25)});
  std::vector<OutgoingPacket> ready;
  for (int i = 0; i < 10'000; ++i) filter.offer({kPeer, "x"}, at(0ms), ready);
  EXPECT_NEAR(static_cast<double>(ready.size()), 7'500, 200);
  EXPECT_EQ(ready.size() + filter.drops().of(DropReason::fault_injected), 10'000U);
}

TEST(LinkFilter, DuplicatesAndReorders) {
  LinkFilter filter(Seed{4});
  filter.set(kPeer, {.duplicate_ppm = 1'000'000});
  std::vector<OutgoingPacket> ready;
  filter.offer({kPeer, "a"}, at(0ms), ready);
  EXPECT_THAT(names(ready), ElementsAre("a", "a"));

  filter.set(kPeer, {.reorder_ppm = 300'000, .delay = 1ms});
  ready.clear();
  std::vector<std::string> sent;
  for (int i = 0; i < 50; ++i) {
    sent.push_back(std::to_string(i));
    filter.offer({kPeer, sent.back()}, at(i * 1ms), ready);
  }
  filter.take_due(at(1s), ready);
  std::vector<std::string> arrived = names(ready);
  EXPECT_NE(arrived, sent) << "some packets are overtaken";
  std::sort(arrived.begin(), arrived.end());
  std::sort(sent.begin(), sent.end());
  EXPECT_EQ(arrived, sent) << "none is lost";
}

TEST(LinkFilter, DoesTheSameForTheSameSeed) {
  const auto run = [](Seed seed) {
    LinkFilter filter(seed);
    filter.set(kPeer, {.drop_ppm = 200'000,
                       .duplicate_ppm = 200'000,
                       .reorder_ppm = 200'000,
                       .delay = 3ms,
                       .jitter = 7ms});
    std::vector<OutgoingPacket> ready;
    for (int i = 0; i < 500; ++i) {
      filter.take_due(at(i * 1ms), ready);
      filter.offer({kPeer, std::to_string(i)}, at(i * 1ms), ready);
    }
    filter.take_due(at(10s), ready);
    return names(ready);
  };
  EXPECT_EQ(run(Seed{7}), run(Seed{7}));
  EXPECT_NE(run(Seed{7}), run(Seed{8}));
}

TEST(LinkFilter, HoldsBackABoundedAmount) {
  LinkFilter filter(Seed{5});
  filter.set(kPeer, {.delay = 1s});
  std::vector<OutgoingPacket> ready;
  for (std::size_t i = 0; i < LinkFilter::kHeldPacketsMax + 5; ++i) {
    filter.offer({kPeer, "x"}, at(0ms), ready);
  }
  EXPECT_EQ(filter.held_packets(), LinkFilter::kHeldPacketsMax);
  EXPECT_EQ(filter.drops().of(DropReason::queue_full), 5U);
  filter.take_due(at(2s), ready);
  for (int i = 0; i < 5; ++i) filter.offer({kPeer, std::string(20 << 20, 'x')}, at(2s), ready);
  EXPECT_LE(filter.held_bytes(), LinkFilter::kHeldBytesMax);
  EXPECT_EQ(filter.held_packets(), 3U);
}

TEST(LinkFilter, DropsWhatItHoldsForALinkThatIsCut) {
  LinkFilter filter(Seed{6});
  filter.set(kPeer, {.delay = 1s});
  filter.set(kOther, {.delay = 1s});
  std::vector<OutgoingPacket> ready;
  filter.offer({kPeer, "a"}, at(0ms), ready);
  filter.offer({kOther, "b"}, at(0ms), ready);
  filter.set(kPeer, {.blocked = true});
  filter.take_due(at(2s), ready);
  EXPECT_THAT(names(ready), ElementsAre("b"));
}

TEST(PartsPerMillion, ClampsToAProbability) {
  EXPECT_EQ(parts_per_million(0.25), 250'000U);
  EXPECT_EQ(parts_per_million(-1), 0U);
  EXPECT_EQ(parts_per_million(7), 1'000'000U);
}

}  // namespace
}  // namespace paxledger::net
