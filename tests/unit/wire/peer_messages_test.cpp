#include "wire/peer_messages.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "unit/wire/random_messages.hpp"

namespace paxledger::wire {
namespace {

using namespace paxos;  // NOLINT: the messages
using test::RandomMessages;
using test::readable;
using Added = PeerPacketWriter::Added;

const PeerHeader kHeader{ClusterId(77), NodeId(1), NodeId(2), Incarnation(9)};

SharedBytes bytes(std::string_view octets) {
  return SharedBytes::copy_of(octets);
}
std::string packet_of(const Message& message) {
  return encode_packet(kHeader, std::span(&message, 1));
}
std::string message_of(const Message& message) {
  const std::string text = readable(packet_of(message));
  const std::string_view head = "[1,77,1,2,9,[";
  EXPECT_EQ(text.substr(0, head.size()), head);
  return text.substr(head.size(), text.size() - head.size() - 2);
}
Result<PeerPacket> decode(std::string octets) {
  return decode_packet(SharedBytes(std::move(octets)));
}

Digest digest(char fill) {
  return Digest::from(std::string(32, fill));
}

// Each field has another value, so that no two can be taken for one another.
TEST(PeerMessages, HaveTheDocumentedForm) {
  const Ballot ballot{Round(11), NodeId(3)};
  const Ballot other{Round(12), NodeId(4)};
  const Generations generations{{NodeId(1), Generation(2)}, {NodeId(5), Generation(6)}};
  const Head head{Height(20), digest('h')};
  const std::string hash(32, 'h');
  EXPECT_EQ(message_of(Heartbeat{ballot, true, false, NodeId(5), true, Slot(21), head}),
            "[1,11,3,true,false,5,true,21,20,'" + hash + "']");
  EXPECT_EQ(message_of(PreVote{ballot}), "[2,11,3]");
  EXPECT_EQ(message_of(PreVoteReply{ballot, true, other}), "[3,11,3,true,12,4]");
  EXPECT_EQ(message_of(Prepare{ballot, Slot(8)}), "[4,11,3,8]");
  EXPECT_EQ(
      message_of(Promise{
          ballot, Slot(8), Slot(10), true, Slot(7), {{Slot(9), other, bytes("v")}}, generations}),
      "[5,11,3,8,10,true,7,[[9,12,4,'v']],[[1,2],[5,6]]]");
  EXPECT_EQ(message_of(Accept{ballot, Slot(8), bytes("v"), Slot(7)}), "[6,11,3,8,'v',7]");
  EXPECT_EQ(message_of(Accepted{ballot, Slot(8), generations}), "[7,11,3,8,[[1,2],[5,6]]]");
  EXPECT_EQ(message_of(Nack{ballot}), "[8,11,3]");
  EXPECT_EQ(message_of(Forward{30, 2, 500, bytes("c")}), "[9,30,2,500,'c']");
  EXPECT_EQ(message_of(ForwardReply{30, ErrorCode::no_quorum, Revision(40), bytes("v")}),
            "[10,30,3,40,'v']");
  EXPECT_EQ(message_of(ReadIndexRequest{30, 1}), "[11,30,1]");
  EXPECT_EQ(message_of(ReadIndexReply{30, true, Slot(8)}), "[12,30,true,8]");
  EXPECT_EQ(message_of(ReadProbe{ballot, 31}), "[13,11,3,31]");
  EXPECT_EQ(message_of(ReadProbeAck{ballot, 31, generations}), "[14,11,3,31,[[1,2],[5,6]]]");
  EXPECT_EQ(message_of(FetchBlocks{Height(20), 1024}), "[15,20,1024]");
  EXPECT_EQ(message_of(Blocks{Height(18), {bytes("a"), bytes("b")}, head}),
            "[16,18,['a','b'],20,'" + hash + "']");
  EXPECT_EQ(message_of(RejoinRequest{Generation(2), 9}), "[17,2,9]");
  EXPECT_EQ(message_of(RejoinReply{Generation(2), ballot, Slot(8), 9, generations}),
            "[18,2,11,3,8,9,[[1,2],[5,6]]]");
}

TEST(PeerMessages, SurviveTheRoundTrip) {
  RandomMessages random(Seed{1});
  for (int round = 0; round < 3'000; ++round) {
    std::vector<Message> messages(random.prng().below(8));
    for (auto& message : messages) message = random.peer_message();
    const std::string octets = encode_packet(kHeader, messages);
    const auto packet = decode(octets);
    ASSERT_TRUE(packet.ok()) << packet.error().message;
    EXPECT_EQ(packet->header, kHeader);
    ASSERT_EQ(packet->messages.size(), messages.size());
    for (std::size_t i = 0; i < messages.size(); ++i) {
      EXPECT_EQ(packet->messages[i].index(), messages[i].index());
    }
    EXPECT_EQ(encode_packet(packet->header, packet->messages), octets);
  }
}

TEST(PeerMessages, AreRefusedWhenCutOffAnywhere) {
  RandomMessages random(Seed{2});
  for (std::size_t kind = 0; kind < RandomMessages::kKinds; ++kind) {
    const std::string octets = packet_of(random.peer_message(kind));
    for (std::size_t size = 0; size < octets.size(); ++size) {
      EXPECT_FALSE(decode(octets.substr(0, size)).ok()) << "kind " << kind << " at " << size;
    }
  }
}

TEST(PeerMessages, AreRefusedWithAnythingBehindThem) {
  RandomMessages random(Seed{3});
  for (std::size_t kind = 0; kind < RandomMessages::kKinds; ++kind) {
    EXPECT_FALSE(decode(packet_of(random.peer_message(kind)) + '\0').ok());
  }
}

TEST(PeerMessages, AreRefusedWithAFieldTooFewOrTooMany) {
  RandomMessages random(Seed{4});
  const std::size_t head = encode_packet(kHeader, {}).size();
  for (std::size_t kind = 0; kind < RandomMessages::kKinds; ++kind) {
    const std::string octets = packet_of(random.peer_message(kind));
    std::string more = octets;
    ++more[head];
    EXPECT_FALSE(decode(more + '\x01').ok()) << "kind " << kind;
    std::string fewer = octets;
    --fewer[head];
    EXPECT_FALSE(decode(fewer).ok()) << "kind " << kind;
    std::string unknown = octets;
    unknown[head + 1] = '\x13';
    EXPECT_FALSE(decode(unknown).ok()) << "kind " << kind;
  }
}

TEST(PeerMessages, OfAnotherVersionAreKnownByTheirFirstItems) {
  // Whatever follows the version, it is not looked at.
  const auto preamble = decode_preamble(SharedBytes(std::string("\x93\x02\xc1\xc1")));
  ASSERT_TRUE(preamble.ok());
  EXPECT_EQ(preamble->version, 2U);
  std::string octets = packet_of(Nack{});
  octets[1] = '\x02';
  EXPECT_FALSE(decode(octets).ok());
}

TEST(PeerMessages, RandomOctetsAreRefused) {
  RandomMessages random(Seed{5});
  for (int round = 0; round < 100'000; ++round) {
    EXPECT_FALSE(decode(random.octets(64)).ok());
  }
}

TEST(PeerMessages, MutatedPacketsAreReadOrRefusedButNeverHarm) {
  RandomMessages random(Seed{6});
  Prng& prng = random.prng();
  int refused = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string octets = packet_of(random.peer_message());
    for (std::uint64_t i = prng.between(1, 4); i > 0; --i) {
      octets[prng.below(octets.size())] = static_cast<char>(prng.below(256));
    }
    const auto packet = decode(octets);
    if (!packet) {
      ++refused;
    } else {
      EXPECT_TRUE(decode(encode_packet(packet->header, packet->messages)).ok());
    }
  }
  EXPECT_GT(refused, 1'000);
}

TEST(PeerMessages, DeclaredGiantsAndDeepNestsAreRefused) {
  const std::string head = encode_packet(kHeader, {});
  const std::string before = head.substr(0, head.size() - 3);
  for (const std::string& tail :
       {std::string("\xdd\xff\xff\xff\xff"), std::string("\xdf\xff\xff\xff\xff"),
        std::string(1'000'000, '\x91'), std::string("\x91\xdd\xff\xff\xff\xff"),
        std::string("\x91\x95\x10\x01\xdd\xff\xff\xff\xff")}) {
    EXPECT_FALSE(decode(before + tail).ok());
  }
}

TEST(PeerMessages, OutOfTheirPromisedOrderAreRefused) {
  Promise promise{{}, Slot(5), Slot(9), true, {}, {}, {}};
  promise.accepted = {{Slot(6), {}, bytes("a")}, {Slot(5), {}, bytes("b")}};
  EXPECT_FALSE(decode(packet_of(promise)).ok()) << "slots must rise";
  promise.accepted = {{Slot(10), {}, bytes("a")}};
  EXPECT_FALSE(decode(packet_of(promise)).ok()) << "slots must be covered";
  promise.accepted = {{Slot(5), {}, bytes("a")}, {Slot(9), {}, bytes("b")}};
  EXPECT_TRUE(decode(packet_of(promise)).ok());
  const Generations twice{{NodeId(2), Generation(1)}, {NodeId(2), Generation(2)}};
  EXPECT_FALSE(decode(packet_of(Accepted{{}, Slot(1), twice})).ok()) << "nodes must rise";
}

TEST(PeerMessages, LargeValuesShareTheFrame) {
  const SharedBytes frame(packet_of(Accept{{}, Slot(1), bytes(std::string(1 << 20, 'v')), {}}));
  const auto packet = decode_packet(frame);
  ASSERT_TRUE(packet.ok());
  const auto& value = std::get<Accept>(packet->messages.at(0)).value;
  EXPECT_EQ(value.size(), std::size_t{1} << 20);
  EXPECT_GT(value.view().data(), frame.view().data());
  EXPECT_LT(value.view().data(), frame.view().data() + frame.size());
}

TEST(PeerPacketWriter, ClosesAPacketByCountAndBySize) {
  PeerPacketWriter writer(kHeader);
  for (std::size_t i = 0; i < kPeerPacketMessagesMax; ++i) {
    ASSERT_EQ(writer.add(Nack{}), Added::yes);
  }
  EXPECT_EQ(writer.add(Nack{}), Added::full);
  EXPECT_EQ(decode(writer.finish())->messages.size(), kPeerPacketMessagesMax);
  EXPECT_TRUE(writer.empty());

  const Message half = Accept{{}, Slot(1), bytes(std::string(kPeerPacketBytesGoal / 2, 'v')), {}};
  EXPECT_EQ(writer.add(half), Added::yes);
  EXPECT_EQ(writer.add(half), Added::full);
  EXPECT_EQ(decode(writer.finish())->messages.size(), 1U);
}

TEST(PeerPacketWriter, TakesOneLargeMessageAloneAndRefusesTheImpossible) {
  PeerPacketWriter writer(kHeader);
  const Message large = Accept{{}, Slot(1), bytes(std::string(4 << 20, 'v')), {}};
  EXPECT_EQ(writer.add(large), Added::yes);
  EXPECT_TRUE(decode(writer.finish()).ok());
  const Message impossible = Accept{{}, Slot(1), bytes(std::string(kFrameBytesMax, 'v')), {}};
  EXPECT_EQ(writer.add(impossible), Added::too_large);
  EXPECT_TRUE(writer.empty());
  Promise promise;
  promise.accepted.resize(kArrayItemsMax + 1);
  EXPECT_EQ(writer.add(promise), Added::too_large);
}

TEST(PeerPacketWriter, SendsAsManyBlocksAsFit) {
  Blocks many{Height(1), std::vector<SharedBytes>(kArrayItemsMax + 10, bytes("b")), {}};
  auto packet = decode(packet_of(many));
  ASSERT_TRUE(packet.ok()) << packet.error().message;
  EXPECT_EQ(std::get<Blocks>(packet->messages.at(0)).blocks.size(), kArrayItemsMax);
  Blocks large{Height(1), std::vector<SharedBytes>(10, bytes(std::string(1 << 20, 'b'))), {}};
  packet = decode(packet_of(large));
  ASSERT_TRUE(packet.ok()) << packet.error().message;
  EXPECT_EQ(std::get<Blocks>(packet->messages.at(0)).blocks.size(), 7U);
}

TEST(PeerPacketWriter, NeverMakesAPacketLargerThanAFrameMayBe) {
  RandomMessages random(Seed{7});
  std::vector<Message> messages(3'000);
  for (auto& message : messages) message = random.peer_message();
  std::size_t count = 0;
  for (const std::string& octets : encode_packets(kHeader, messages)) {
    EXPECT_LE(octets.size(), kFrameBytesMax);
    const auto packet = decode(octets);
    ASSERT_TRUE(packet.ok()) << packet.error().message;
    count += packet->messages.size();
  }
  EXPECT_EQ(count, messages.size());
}

}  // namespace
}  // namespace paxledger::wire
