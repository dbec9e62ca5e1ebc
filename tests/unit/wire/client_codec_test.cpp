#include "wire/client_codec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "unit/wire/random_messages.hpp"
#include "wire/pack.hpp"

namespace paxledger::wire {
namespace {

using namespace std::string_literals;
using test::RandomMessages;
using test::readable;
using testing::HasSubstr;

const ClusterId kOwn{77};

SharedBytes bytes(std::string_view octets) {
  return SharedBytes::copy_of(octets);
}

std::string packet_of(const std::vector<ClientRequest>& requests, ClusterId cluster = kOwn) {
  RequestWriter writer(cluster);
  for (const auto& request : requests) EXPECT_TRUE(writer.add(request));
  return writer.finish();
}
std::string packet_of(const std::vector<ClientReply>& replies) {
  ReplyWriter writer(kOwn, NodeId(3));
  for (const auto& reply : replies) EXPECT_TRUE(writer.add(reply));
  return writer.finish();
}
Result<RequestPacket> decode(std::string octets) {
  return decode_requests(SharedBytes(std::move(octets)), kOwn);
}
Result<ReplyPacket> decode_reply_packet(std::string octets) {
  return decode_replies(SharedBytes(std::move(octets)));
}
// A packet around requests that a test has encoded by itself.
std::string packet_around(const std::vector<std::string>& requests) {
  std::string octets;
  Packer out(octets);
  out.array(3);
  out.number(1);
  out.number(0);
  out.array(requests.size());
  for (const auto& request : requests) octets += request;
  return octets;
}

TEST(ClientRequests, HaveTheDocumentedForm) {
  EXPECT_EQ(
      readable(packet_of(std::vector<ClientRequest>{
          ExecuteRequest{10, 500, bytes("c")}, GetRequest{11, 501, Consistency::local, bytes("k")},
          ScanRequest{12, 502, Consistency::linearizable, bytes("p"), bytes("q"), 9},
          ChainRequest{13, Height(5), 4096, 503}, AdminRequest{14, 504, "status", "{}"}})),
      "[1,77,[[1,10,500,'c'],[2,11,501,1,'k'],[3,12,502,0,'p','q',9],"
      "[4,13,503,5,4096],[5,14,504,\"status\",\"{}\"]]]");
}

TEST(ClientReplies, HaveTheDocumentedForm) {
  EXPECT_EQ(readable(packet_of(std::vector<ClientReply>{
                ValueReply{10, ErrorCode::compare_failed, Revision(4), Height(8), bytes("v"),
                           "words", NodeId(2)},
                ScanReply{11, Height(8), true, {{bytes("k"), bytes("v"), Revision(4)}}},
                ChainReply{12, Height(5), Height(8), {bytes("a"), bytes("b")}}})),
            "[1,77,3,[[1,10,2,4,8,'v',\"words\",2],[2,11,8,true,[['k','v',4]]],"
            "[3,12,5,8,['a','b']]]]");
}

TEST(ClientRequests, SurviveTheRoundTrip) {
  RandomMessages random(Seed{1});
  for (int round = 0; round < 2'000; ++round) {
    std::vector<ClientRequest> requests(random.prng().below(8));
    for (auto& request : requests) request = random.request();
    const std::string octets = packet_of(requests);
    const auto packet = decode(octets);
    ASSERT_TRUE(packet.ok()) << packet.error().message;
    EXPECT_TRUE(packet->refusals.empty());
    EXPECT_EQ(packet_of(packet->requests), octets);
  }
}

TEST(ClientReplies, SurviveTheRoundTrip) {
  RandomMessages random(Seed{2});
  for (int round = 0; round < 2'000; ++round) {
    std::vector<ClientReply> replies(random.prng().below(8));
    for (auto& reply : replies) reply = random.reply();
    const std::string octets = packet_of(replies);
    const auto packet = decode_reply_packet(octets);
    ASSERT_TRUE(packet.ok()) << packet.error().message;
    EXPECT_EQ(packet->cluster, kOwn);
    EXPECT_EQ(packet->node, NodeId(3));
    EXPECT_EQ(packet_of(packet->replies), octets);
  }
}

TEST(ClientRequests, OfAnyClusterAreAccepted) {
  const auto packet = decode(packet_of({GetRequest{1, 100, {}, bytes("k")}}, kAnyCluster));
  ASSERT_TRUE(packet.ok());
  EXPECT_EQ(packet->requests.size(), 1U);
}

TEST(ClientRequests, OfAnotherClusterAreRefusedOneByOne) {
  const auto packet = decode(packet_of(
      {GetRequest{8, 100, {}, bytes("k")}, GetRequest{9, 100, {}, bytes("k")}}, ClusterId(78)));
  ASSERT_TRUE(packet.ok());
  EXPECT_TRUE(packet->requests.empty());
  EXPECT_EQ(packet->defect, Defect::other_cluster);
  ASSERT_EQ(packet->refusals.size(), 2U);
  EXPECT_EQ(packet->refusals[0].id, 8U);
  EXPECT_EQ(packet->refusals[1].id, 9U);
  EXPECT_EQ(packet->refusals[1].code, ErrorCode::bad_request);
}

TEST(ClientRequests, OfAnotherVersionGetAnAnswer) {
  const auto packet = decode("\x92\x07\xc0"s);
  ASSERT_TRUE(packet.ok());
  EXPECT_EQ(packet->defect, Defect::other_version);
  ASSERT_EQ(packet->refusals.size(), 1U);
  EXPECT_THAT(packet->refusals[0].message, HasSubstr("version 7 is not spoken here; expected 1"));
}

TEST(ClientRequests, ThatCannotBeReadDoNotSpoilTheirNeighbours) {
  const std::string good = "\x95\x02\x05\x64\x00\xc4\x01k"s;  // get "k", id 5
  const std::string unknown = "\x94\x09\x06\x64\xc0"s;        // kind 9, id 6
  const std::string arity = "\x94\x02\x07\x64\x00"s;          // get without key, id 7
  const std::string type = "\x95\x02\x08\x64\x00\xa1k"s;      // get with a str for a key, id 8
  const std::string nothing = "\xc0"s;                        // no request at all
  const std::string last = "\x95\x02\x09\x64\x00\xc4\x01k"s;  // get "k", id 9
  const auto packet = decode(packet_around({good, unknown, arity, type, nothing, last}));
  ASSERT_TRUE(packet.ok());
  EXPECT_EQ(packet->defect, Defect::malformed);
  ASSERT_EQ(packet->requests.size(), 2U);
  EXPECT_EQ(id_of(packet->requests[0]), 5U);
  EXPECT_EQ(id_of(packet->requests[1]), 9U);
  ASSERT_EQ(packet->refusals.size(), 4U);
  const std::uint64_t ids[] = {6, 7, 8, 0};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(packet->refusals[i].id, ids[i]);
    EXPECT_EQ(packet->refusals[i].code, ErrorCode::bad_request);
    EXPECT_THAT(packet->refusals[i].message, HasSubstr("expected"));
  }
}

TEST(ClientRequests, OverTheirLimitsAreRefusedWithTheReason) {
  const std::string long_key(4097, 'k');
  const auto packet = decode(packet_of(std::vector<ClientRequest>{
      GetRequest{1, 100, {}, bytes("")}, GetRequest{2, 100, {}, bytes(long_key)},
      ScanRequest{3, 100, {}, bytes(long_key), bytes(""), 10},
      ScanRequest{4, 100, {}, bytes(""), bytes(""), 0},
      ScanRequest{5, 100, {}, bytes(""), bytes(""), 4097}, ChainRequest{6, Height(0), 10, 100},
      GetRequest{7, 100, {}, bytes(long_key.substr(1))}}));
  ASSERT_TRUE(packet.ok());
  EXPECT_EQ(packet->defect, Defect::none) << "these are of this protocol";
  ASSERT_EQ(packet->requests.size(), 1U);
  EXPECT_EQ(id_of(packet->requests[0]), 7U);
  ASSERT_EQ(packet->refusals.size(), 6U);
  EXPECT_EQ(packet->refusals[0].code, ErrorCode::bad_request);
  EXPECT_EQ(packet->refusals[1].code, ErrorCode::too_large);
  EXPECT_EQ(packet->refusals[2].code, ErrorCode::too_large);
  EXPECT_EQ(packet->refusals[3].code, ErrorCode::bad_request);
  EXPECT_EQ(packet->refusals[4].code, ErrorCode::bad_request);
  EXPECT_EQ(packet->refusals[5].code, ErrorCode::bad_request);
  EXPECT_THAT(packet->refusals[1].message, HasSubstr("4097 octets; the limit is 4096"));

  const auto large = decode(packet_of({ExecuteRequest{8, 1, bytes(std::string(1'053'000, 'v'))}}));
  ASSERT_TRUE(large.ok());
  ASSERT_EQ(large->refusals.size(), 1U);
  EXPECT_EQ(large->refusals[0].code, ErrorCode::too_large);
}

TEST(ClientRequests, InABrokenPacketHaveNoEffect) {
  const std::string octets = packet_of({GetRequest{5, 100, {}, bytes("k")}});
  const auto trailing = decode(octets + '\0');
  ASSERT_TRUE(trailing.ok());
  EXPECT_TRUE(trailing->requests.empty());
  ASSERT_EQ(trailing->refusals.size(), 1U);
  EXPECT_EQ(trailing->refusals[0].id, 5U);

  for (std::size_t size = 0; size < octets.size(); ++size) {
    const auto cut = decode(octets.substr(0, size));
    if (cut) {
      EXPECT_TRUE(cut->requests.empty()) << "cut at " << size;
      EXPECT_FALSE(cut->refusals.empty()) << "cut at " << size;
      EXPECT_EQ(cut->defect, Defect::malformed);
    }
  }
}

TEST(ClientReplies, AreRefusedWhenCutOffOrFollowed) {
  RandomMessages random(Seed{3});
  for (int round = 0; round < 30; ++round) {
    const std::string octets = packet_of({random.reply()});
    EXPECT_FALSE(decode_reply_packet(octets + '\0').ok());
    const std::size_t step = 1 + octets.size() / 500;
    for (std::size_t size = 0; size < octets.size(); size += step) {
      EXPECT_FALSE(decode_reply_packet(octets.substr(0, size)).ok());
    }
  }
}

TEST(ClientCodec, RandomOctetsDoNoHarm) {
  RandomMessages random(Seed{4});
  for (int round = 0; round < 100'000; ++round) {
    const std::string octets = random.octets(64);
    const auto requests = decode(octets);
    EXPECT_TRUE(!requests || requests->requests.empty());
    EXPECT_FALSE(decode_reply_packet(octets).ok());
  }
}

TEST(ClientCodec, MutatedPacketsAreReadOrRefusedButNeverHarm) {
  RandomMessages random(Seed{5});
  Prng& prng = random.prng();
  const auto mutate = [&prng](std::string octets) {
    for (std::uint64_t i = prng.between(1, 4); i > 0; --i) {
      octets[prng.below(octets.size())] = static_cast<char>(prng.below(256));
    }
    return octets;
  };
  for (int round = 0; round < 40'000; ++round) {
    const auto requests = decode(mutate(packet_of({random.request(), random.request()})));
    if (requests) {
      EXPECT_LE(requests->requests.size(), 2U);
    }
    const auto replies = decode_reply_packet(mutate(packet_of({random.reply()})));
    if (replies) {
      EXPECT_TRUE(decode_reply_packet(packet_of(replies->replies)).ok());
    }
  }
}

TEST(ClientCodec, DeclaredGiantsAndDeepNestsAreRefused) {
  for (const std::string& tail :
       {"\xdd\xff\xff\xff\xff"s, "\xdf\xff\xff\xff\xff"s, std::string(1'000'000, '\x91'),
        "\x91\xdd\xff\xff\xff\xff"s, "\x91\x94\x01\x01\x01\xc6\xff\xff\xff\xff"s}) {
    const auto packet = decode("\x93\x01\x00"s + tail);
    ASSERT_TRUE(packet.ok());
    EXPECT_TRUE(packet->requests.empty());
    EXPECT_EQ(packet->defect, Defect::malformed);
    EXPECT_LE(packet->refusals.size(), 2U);
  }
}

TEST(RequestWriter, ClosesAPacketByCountAndBySize) {
  RequestWriter writer(kOwn);
  const ClientRequest get = GetRequest{1, 100, {}, bytes("k")};
  for (std::size_t i = 0; i < kClientPacketItemsMax; ++i) ASSERT_TRUE(writer.add(get));
  EXPECT_FALSE(writer.add(get));
  EXPECT_EQ(decode(writer.finish())->requests.size(), kClientPacketItemsMax);
  const ClientRequest large = ExecuteRequest{2, 100, bytes(std::string(600'000, 'v'))};
  EXPECT_TRUE(writer.add(large));
  EXPECT_FALSE(writer.add(large));
  EXPECT_EQ(decode(writer.finish())->requests.size(), 1U);
}

TEST(ReplyWriter, KeepsRepliesWithinAFrame) {
  ReplyWriter writer(kOwn, NodeId(3));
  ScanReply scan;
  scan.items.assign(5'000, {bytes("k"), bytes("v"), Revision(1)});
  ASSERT_TRUE(writer.add(scan));
  auto packet = decode_reply_packet(writer.finish());
  ASSERT_TRUE(packet.ok()) << packet.error().message;
  EXPECT_EQ(std::get<ScanReply>(packet->replies.at(0)).items.size(), kArrayItemsMax);
  EXPECT_TRUE(std::get<ScanReply>(packet->replies.at(0)).more) << "what was left out is announced";

  ChainReply chain;
  chain.blocks.assign(20, bytes(std::string(1 << 20, 'b')));
  ASSERT_TRUE(writer.add(chain));
  const std::string octets = writer.finish();
  EXPECT_LE(octets.size(), kFrameBytesMax);
  EXPECT_TRUE(decode_reply_packet(octets).ok());
}

TEST(ReplyWriter, CutsAMessageBetweenCharacters) {
  ReplyWriter writer(kOwn, NodeId(3));
  ValueReply reply;
  for (int i = 0; i < 600; ++i) reply.message += "\xc3\xa9";  // é
  reply.message.insert(0, "x");
  ASSERT_TRUE(writer.add(reply));
  const auto packet = decode_reply_packet(writer.finish());
  ASSERT_TRUE(packet.ok());
  const std::string& message = std::get<ValueReply>(packet->replies.at(0)).message;
  EXPECT_EQ(message.size(), kMessageBytesMax - 1);
}

}  // namespace
}  // namespace paxledger::wire
