#include "net/peer_transport.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "unit/net/sockets.hpp"

namespace paxledger::net {
namespace {

using namespace std::chrono_literals;
using paxos::Message;
using paxos::ReadProbe;
using testing::HasSubstr;

const ClusterId kCluster{77};
const Instant kNow{1s};

// Nodes 1 and 2, connected, without link faults.
class TwoNodes : public testing::Test {
 protected:
  TwoNodes() : context_(*Context::create()), a_(open(NodeId(1))), b_(open(NodeId(2))) {
    EXPECT_TRUE(a_.connect_peer(context_, {NodeId(2), b_.endpoint()}).ok());
    EXPECT_TRUE(b_.connect_peer(context_, {NodeId(1), a_.endpoint()}).ok());
    EXPECT_TRUE(test::eventually([this] { return passes(a_, NodeId(2), b_); }));
    EXPECT_TRUE(test::eventually([this] { return passes(b_, NodeId(1), a_); }));
    drain(a_);
    drain(b_);
  }

  PeerTransport open(NodeId self) {
    auto transport = PeerTransport::open(
        context_, {kCluster, self, Incarnation(5), "tcp://127.0.0.1:0", {}, Seed{1}});
    EXPECT_TRUE(transport.ok());
    return std::move(*transport);
  }
  static bool passes(PeerTransport& from, NodeId to, PeerTransport& receiver) {
    const Message probe = ReadProbe{};
    from.send(to, {&probe, 1}, kNow);
    return test::wait_readable(receiver.pollable(), 1ms);
  }
  static void drain(PeerTransport& transport) {
    while (test::wait_readable(transport.pollable(), 50ms)) {
      while (transport.receive()->has_value()) {
      }
    }
  }
  // The next thing that `b` makes of what came in.
  Result<std::optional<wire::PeerPacket>> next() {
    EXPECT_TRUE(test::wait_readable(b_.pollable()));
    return b_.receive();
  }
  std::string valid(PeerTransport& /*to*/, wire::PeerHeader header) {
    const Message probe = ReadProbe{};
    return wire::encode_packet(header, {&probe, 1});
  }

  Context context_;
  PeerTransport a_;
  PeerTransport b_;
};

TEST_F(TwoNodes, HearEachOtherInOrder) {
  std::vector<Message> messages;
  for (std::uint64_t i = 0; i < 3'000; ++i) messages.push_back(ReadProbe{{}, i});
  a_.send(NodeId(2), messages, kNow);
  std::uint64_t expected = 0;
  while (expected < messages.size()) {
    auto packet = next();
    ASSERT_TRUE(packet.ok()) << packet.error().message;
    if (!packet->has_value()) continue;
    EXPECT_EQ((*packet)->header,
              (wire::PeerHeader{kCluster, NodeId(1), NodeId(2), Incarnation(5)}));
    for (const Message& message : (*packet)->messages) {
      EXPECT_EQ(std::get<ReadProbe>(message).probe, expected++);
    }
  }
  EXPECT_EQ(b_.drops_in().total(), 0U);
}

TEST_F(TwoNodes, CarryAValueOfAMegabyte) {
  const Message accept =
      paxos::Accept{{}, Slot(1), SharedBytes(std::string((1 << 20) + 5'000, 'v')), {}};
  a_.send(NodeId(2), {&accept, 1}, kNow);
  auto packet = next();
  ASSERT_TRUE(packet.ok() && packet->has_value());
  EXPECT_EQ(std::get<paxos::Accept>((*packet)->messages.at(0)).value,
            std::get<paxos::Accept>(accept).value);
}

TEST_F(TwoNodes, CountWhatIsNotForThem) {
  test::Stranger stranger(b_.endpoint());
  const std::vector<std::pair<std::vector<std::string>, DropReason>> cases{
      {{"garbage"}, DropReason::malformed},
      {{""}, DropReason::malformed},
      {{"\x92\x02\xc0"}, DropReason::other_version},
      {{valid(b_, {ClusterId(78), NodeId(1), NodeId(2), {}})}, DropReason::other_cluster},
      {{valid(b_, {kCluster, NodeId(1), NodeId(3), {}})}, DropReason::other_recipient},
      {{valid(b_, {kCluster, NodeId(9), NodeId(2), {}})}, DropReason::unknown_sender},
      {{valid(b_, {kCluster, NodeId(2), NodeId(2), {}})}, DropReason::unknown_sender},
      {{valid(b_, {kCluster, NodeId(1), NodeId(2), {}}) + "x"}, DropReason::malformed},
      {{"two", "frames"}, DropReason::too_many_frames},
      {std::vector<std::string>(5'000, "frame"), DropReason::too_many_frames},
  };
  for (const auto& [frames, reason] : cases) {
    const std::uint64_t before = b_.drops_in().of(reason);
    stranger.say(frames);
    const auto dropped = next();
    ASSERT_FALSE(dropped.ok()) << to_string(reason);
    EXPECT_THAT(dropped.error().message, HasSubstr(to_string(reason)));
    EXPECT_EQ(b_.drops_in().of(reason), before + 1) << to_string(reason);
  }
  EXPECT_EQ(b_.drops_in().total(), cases.size());
  const Message probe = ReadProbe{};
  a_.send(NodeId(2), {&probe, 1}, kNow);
  EXPECT_TRUE(test::eventually([this] {
    const auto packet = b_.receive();
    return packet.ok() && packet->has_value();
  })) << "a good peer is heard as before";
  EXPECT_EQ(b_.drops_in().total(), cases.size());
}

TEST_F(TwoNodes, OutliveAFrameThatIsTooLarge) {
  test::Stranger stranger(b_.endpoint());
  stranger.say({std::string(wire::kFrameBytesMax + 1, 'x')});
  EXPECT_FALSE(test::wait_readable(b_.pollable(), 300ms)) << "libzmq must not take it in";
  EXPECT_TRUE(test::eventually([this] { return passes(a_, NodeId(2), b_); }));
}

TEST_F(TwoNodes, CanBeCutOffFromEitherSide) {
  const Message probe = ReadProbe{};
  a_.faults().set(NodeId(2), {.blocked = true});
  a_.send(NodeId(2), {&probe, 1}, kNow);
  EXPECT_EQ(a_.faults().drops().of(DropReason::fault_injected), 1U);
  a_.faults().clear();

  b_.faults().set(NodeId(1), {.blocked_incoming = true});
  a_.send(NodeId(2), {&probe, 1}, kNow);
  const auto received = next();
  ASSERT_TRUE(received.ok());
  EXPECT_FALSE(received->has_value());
  EXPECT_EQ(b_.drops_in().of(DropReason::fault_injected), 1U);
}

TEST_F(TwoNodes, SendDelayedPacketsWhenTheyAreDue) {
  const Message probe = ReadProbe{{}, 42};
  a_.faults().set(NodeId(2), {.delay = 20ms});
  a_.send(NodeId(2), {&probe, 1}, kNow);
  EXPECT_EQ(a_.next_deadline(), kNow + 20ms);
  const std::uint64_t before = a_.traffic().packets_sent;
  a_.send_due(kNow + 19ms);
  EXPECT_EQ(a_.traffic().packets_sent, before);
  a_.send_due(kNow + 20ms);
  EXPECT_EQ(a_.traffic().packets_sent, before + 1);
  EXPECT_EQ(std::get<ReadProbe>((*next())->messages.at(0)).probe, 42U);
}

TEST_F(TwoNodes, CountWhatCannotBeSent) {
  const Message probe = ReadProbe{};
  a_.send(NodeId(9), {&probe, 1}, kNow);
  EXPECT_EQ(a_.drops_out().of(DropReason::not_connected), 1U);

  const Message impossible =
      paxos::Accept{{}, Slot(1), SharedBytes(std::string(wire::kFrameBytesMax, 'v')), {}};
  a_.send(NodeId(2), {&impossible, 1}, kNow);
  EXPECT_EQ(a_.drops_out().of(DropReason::too_large), 1U);

  ASSERT_TRUE(a_.connect_peer(context_, {NodeId(4), "tcp://127.0.0.1:1"}).ok());
  const std::uint64_t before = a_.drops_out().of(DropReason::queue_full);
  a_.send(NodeId(4), {&probe, 1}, kNow);
  EXPECT_EQ(a_.drops_out().of(DropReason::queue_full), before + 1)
      << "nothing is queued for a peer that is not connected";
}

TEST_F(TwoNodes, DropRatherThanWaitForAPeerThatDoesNotRead) {
  const Message accept = paxos::Accept{{}, Slot(1), SharedBytes(std::string(100'000, 'v')), {}};
  for (int i = 0; i < 20'000 && a_.drops_out().of(DropReason::queue_full) == 0; ++i) {
    a_.send(NodeId(2), {&accept, 1}, kNow);
  }
  EXPECT_GT(a_.drops_out().of(DropReason::queue_full), 0U) << "the queues are bounded";
}

TEST(PeerTransport, RefusesToLeaveTheMachine) {
  auto context = Context::create();
  PeerTransportSettings settings{kCluster, NodeId(1), Incarnation(1), "tcp://0.0.0.0:7201",
                                 {},       Seed{}};
  auto open = PeerTransport::open(*context, settings);
  ASSERT_FALSE(open.ok());
  EXPECT_THAT(open.error().message, HasSubstr("tcp://0.0.0.0:7201"));
  settings.listen_endpoint = "tcp://127.0.0.1:0";
  settings.peers = {{NodeId(2), "tcp://10.0.0.2:7202"}};
  EXPECT_FALSE(PeerTransport::open(*context, settings).ok());
}

}  // namespace
}  // namespace paxledger::net
